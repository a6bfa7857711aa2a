"""What carries AMQP between this node and a hub: bytes both ways, whatever is around them on the wire.

Every implementation passes `tests/hub/network/test_streams.py`. `ingest.hub.network.dialing` opens one.
"""

from typing import Final, Protocol

CONNECT_SECONDS: Final = 10.0
"""For everything until the first byte of AMQP can be sent: name, connection, proxy, TLS, WebSocket. Below the 15 s after which
a process without a heartbeat is replaced, and a link that is not attached given up."""
WRITE_SECONDS: Final = 10.0
"""The other side that takes no byte for so long is given up."""


class Stream(Protocol):
    """An open connection. One thread uses it; `terminate` may come from any."""

    @property
    def held(self) -> bool:
        """Whether something has been taken from the socket and not read: `fileno` does not show that."""
        ...

    def fileno(self) -> int:
        """For select and poll, together with `held`; after `gather`, only when `wait` was called again. -1 once it is closed."""
        ...

    def wait(self, seconds: float) -> bool:
        """Whether `read` has something to say, waited for `seconds` at most."""
        ...

    def gather(self, seconds: float, least: int) -> None:
        """Waits until about `least` bytes can be read, for `seconds` at most."""
        ...

    def interrupt_on(self, descriptor: int) -> None:
        """From now on `wait` and `gather` also end, with what they know, as soon as this descriptor is readable."""
        ...

    def read(self, most: int) -> bytes | None:
        """The next bytes, `most` at most; None when none are there, b"" when the other side has ended. Never blocks.

        Raises OSError when the connection is broken, in the other side's words where it gave any.
        """
        ...

    def write(self, data: bytes) -> None:
        """Sends all of `data`. Raises TimeoutError when nothing of it is taken for WRITE_SECONDS, else OSError."""
        ...

    def close(self) -> None:
        """Says good-bye where the protocol has a word for it, without waiting for an answer. Raises nothing."""
        ...

    def terminate(self) -> None:
        """Cuts the connection: what `wait` and `read` wait for is over at once. Raises nothing."""
        ...
