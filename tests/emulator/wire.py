"""One link of the hub on a connection without a socket: the client's frames in, the hub's frames out."""

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from ingest.amqp.composites import Composite
from ingest.amqp.frames import AMQP_HEADER, Frame, FrameSplitter, decode_body, encode_frame
from ingest.amqp.performatives import RECEIVER, Attach, Begin, Open, Source, Target
from ingest.emulator.amqp.connection import Connection
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner


class _Transport:
    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write

    def set_write_buffer_limits(self, high: int) -> None:
        pass


class Wire:
    """What the hub has written is in `written`, as performatives with their payloads."""

    def __init__(self, make: Callable[[LinkOwner, Attach], Link], *, window: int, first_delivery: int) -> None:
        """A client attaches a receiver on handle 0 of channel 0, to the link that `make` gives."""
        self.written: deque[Any] = deque()
        self._splitter = FrameSplitter(1 << 16)
        loop = SimpleNamespace(time=lambda: 0.0)
        owner = SimpleNamespace(
            loop=loop, container_id="hub", idle_seconds=240.0, round_trip=0.0, keys=None, joined=_ignore, new_link=make
        )
        self._connection = Connection(cast("Any", owner), cast("Any", None))
        self._connection.connection_made(cast("Any", _Transport(self._write)))
        self._connection.data_received(AMQP_HEADER)
        self.says(Open(container_id="client", max_frame_size=512))
        self.says(Begin(next_outgoing_id=0, incoming_window=window, outgoing_window=0))
        self._connection._amqp.sessions[0].next_delivery_id = first_delivery
        self.says(Attach(name="q", handle=0, role=RECEIVER, source=Source(), target=Target()))
        (self.link,) = self._connection.links.values()

    def says(self, performative: Composite) -> None:
        """A frame of the client."""
        self._connection.data_received(encode_frame(0, performative))

    def _write(self, data: bytes) -> None:
        self.written.extend(decode_body(item.body) for item in self._splitter.feed(data) if isinstance(item, Frame))


def _ignore(_: object) -> None:
    pass
