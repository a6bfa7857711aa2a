"""A TCP proxy that can swallow what passes, as a network does whose state tables were lost: no reset, no end."""

import asyncio

from tests.services.tcp_proxy import End, TcpProxy


class SwallowingProxy(TcpProxy):
    """See `TcpProxy`."""

    _new_are_dead = False

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def carrying(self) -> int:
        """Connections on which what is sent arrives."""
        return self._thread.call(lambda: sum(not end.swallows for end in self._open) // 2)

    def swallow(self, *, new: bool = False) -> int:
        """From now on nothing passes on the connections of this moment, ends included. Those that come later pass, or with
        `new` not before `heal`: they are taken and lead nowhere.

        Returns how many of this moment had passed until now.
        """
        return self._thread.call(lambda: self._swallow(new))

    def heal(self) -> None:
        """New connections pass again; those that are swallowed stay so."""
        self._thread.call(self._heal)

    def near(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> End:
        return self._end(super().near(reader, writer))

    def far(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> End:
        return self._end(super().far(reader, writer))

    def _end(self, end: End) -> End:
        end.swallows = self._new_are_dead
        return end

    def _heal(self) -> None:
        self._new_are_dead = False

    def _swallow(self, new: bool) -> int:
        self._new_are_dead = new
        ends = [end for end in self._open if not end.swallows]
        for end in ends:
            end.swallows = True
        return len(ends) // 2
