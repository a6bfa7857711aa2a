"""The hot path's first step: bytes off the socket → where in them each message is. Sans-IO.

The transfer frames of one link differ in delivery id and tag only. So the bytes around those are compared with the
previous frame, and only a frame that differs is decoded (AMQP 1.0 part 2.7.5).
"""

from collections.abc import Callable

from ingest.amqp.errors import AmqpError
from ingest.amqp.frames import decode_body
from ingest.amqp.performatives import Transfer
from ingest.source.events.slices import FRAME_HEADER_BYTES, Layout, PythonSlices, Slice, Slices, uint32

MAX_MESSAGE_BYTES = 8 << 20
"""A message that grows beyond this is an error of the hub, whose own limit is 1 MiB."""


_ID_BYTES = 4
_TRANSFER = b"\x00\x53\x14"
_PERFORMATIVE_AT = 8


class TransferSplitter:
    """Cuts a byte stream, fed in any pieces, into messages of one link and other frames."""

    def __init__(self, handle: int, max_frame_size: int, slices: Callable[[], Slices] = PythonSlices) -> None:
        """`handle` is the hub's number for the link; `slices` makes an empty collection."""
        self.frames = 0
        """Transfer frames of this link so far; the session's window counts them."""
        self.others: list[bytes] = []
        """Whole frames that are not transfers of this link, in order. The caller takes them out."""
        self._handle = handle
        self._limit = max_frame_size
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._needed = FRAME_HEADER_BYTES
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._slices = slices
        self._layout: Layout | None = None
        """Layout of the previous frame."""

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun of which more frames are to come."""
        return bool(self._parts)

    def feed(self, data: bytes) -> Slices:
        """Returns the messages that `data` completes, in order. Raises AmqpError if the bytes are not AMQP frames."""
        messages = self._slices()
        at = 0
        if self._held:
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes < self._needed:
                return messages
            held, self._held = self._held, []
            if self._needed == FRAME_HEADER_BYTES:
                data = b"".join(held)
            else:  # Only to that frame's end: most reads begin with one, and otherwise all would be copied.
                at = len(data) - (self._held_bytes - self._needed)
                held[-1] = data[:at]
                self._cut(b"".join(held), 0, messages)
        self._hold(data, self._cut(data, at, messages))
        return messages

    def _cut(self, data: bytes, at: int, messages: Slices) -> int:
        """Takes the complete frames at `at`. Returns where they end."""
        end = len(data)
        while True:
            if self._layout is not None and not self._parts:
                before = len(messages)
                at = messages.add_run(data, at, self._layout)
                self.frames += len(messages) - before
            if end - at < FRAME_HEADER_BYTES:
                return at
            after = at + uint32(data, at)[0]
            if after > end:
                return at
            self._unusual(data, at, after, messages.append)
            at = after

    def _hold(self, data: bytes, at: int) -> None:
        """Keeps the beginning of a frame until the rest comes."""
        if at == len(data):
            return
        rest = data[at:] if at else data
        self._needed = FRAME_HEADER_BYTES
        if len(rest) >= FRAME_HEADER_BYTES:
            self._needed = self._frame_size(rest, 0)
        self._held, self._held_bytes = [rest], len(rest)

    def _frame_size(self, data: bytes, at: int) -> int:
        size, offset, kind = uint32(data, at)[0], data[at + 4], data[at + 5]
        if not FRAME_HEADER_BYTES <= 4 * offset <= size or kind != 0:
            raise AmqpError(f"These bytes are no AMQP frame: {data[at : at + FRAME_HEADER_BYTES].hex()}.")
        if size > self._limit:
            raise AmqpError(f"A frame of {size} bytes is larger than the agreed {self._limit}.")
        return int(size)

    def _unusual(self, data: bytes, at: int, after: int, add: Callable[[Slice], None]) -> None:
        """Takes a frame unlike the previous one: of another kind, part of a message, or with longer numbers."""
        self._frame_size(data, at)
        begin = at + 4 * data[at + 4]
        if not data.startswith(_TRANSFER, begin):
            self.others.append(data[at:after])
            return
        transfer, payload = decode_body(data[begin:after])
        if not isinstance(transfer, Transfer) or transfer.handle != self._handle:
            self.others.append(data[at:after])
            return
        self.frames += 1
        if transfer.aborted:
            self._parts, self._parts_bytes = [], 0
        elif transfer.more or self._parts:
            if payload or not self._parts:
                self._parts.append(payload)
                self._parts_bytes += len(payload)
            if self._parts_bytes > MAX_MESSAGE_BYTES:
                raise AmqpError(f"A message in {len(self._parts)} parts is larger than {MAX_MESSAGE_BYTES} bytes.")
            if not transfer.more:
                whole = b"".join(self._parts)
                self._parts, self._parts_bytes = [], 0
                add((whole, 0, len(whole)))
        else:
            add((data, after - len(payload), after))
            self._remember(data, at, after - len(payload))

    def _remember(self, data: bytes, at: int, payload_at: int) -> None:
        """Keeps this frame's layout for the next ones, if it is the usual one with a list8."""
        begin = at + _PERFORMATIVE_AT
        # Descriptor 3, list8 with its size and count 3, then the fields from left to right.
        if data[at + 4] != 2 or data[begin + 3] != 0xC0:
            return
        handle_at = begin + 6
        code = data[handle_at]
        id_at = handle_at + {0x43: 1, 0x52: 2, 0x70: 5}.get(code, 0)
        tag_at = id_at + 1 + _ID_BYTES
        if id_at == handle_at or tag_at + 2 > payload_at or data[id_at] != 0x70 or data[tag_at] != 0xA0:
            return
        trail_at = tag_at + 2 + data[tag_at + 1]
        self._layout = Layout(
            lead=data[at + 4 : id_at + 1],
            middle=data[tag_at : tag_at + 2],
            middle_at=tag_at - at,
            trail=data[trail_at:payload_at],
            trail_at=trail_at - at,
            payload_at=payload_at - at,
        )
