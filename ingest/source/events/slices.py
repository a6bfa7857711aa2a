"""Where raw messages are in the bytes that the hub has sent: slices, and collections of them. Sans-IO."""

import struct
from collections.abc import Iterator
from typing import NamedTuple, Protocol

uint32 = struct.Struct(">I").unpack_from
FRAME_HEADER_BYTES = 8

Slice = tuple[bytes, int, int]
"""A buffer, and the first byte and end of one message in it."""


class Layout(NamedTuple):
    """What a frame has in common with those after it; places count from the frame's first byte."""

    lead: bytes
    """All between the frame's size and the delivery id."""
    middle: bytes
    middle_at: int
    """What stands between delivery id and tag."""
    trail: bytes
    trail_at: int
    """What stands between tag and payload."""
    payload_at: int


class Slices(Protocol):
    """Where messages are; grows at the end."""

    @property
    def total_bytes(self) -> int:
        """Total size of these messages."""
        ...

    def append(self, message: Slice) -> None: ...

    def add_run(self, data: bytes, at: int, layout: Layout) -> int:
        """Adds the messages of the whole frames at `at` that have this layout. Returns where the first other frame begins."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> Slice: ...

    def __iter__(self) -> Iterator[Slice]: ...


class PythonSlices(list[Slice]):
    """Implements `Slices`."""

    @property
    def total_bytes(self) -> int:
        return sum(end - start for _, start, end in self)

    def add_run(self, data: bytes, at: int, layout: Layout) -> int:
        add, starts = self.append, data.startswith
        lead, middle, middle_at, trail, trail_at, payload_at = layout
        end = len(data)
        while end - at >= FRAME_HEADER_BYTES:
            size = uint32(data, at)[0]
            after = at + size
            if not (
                after <= end
                and starts(lead, at + 4)
                and starts(trail, at + trail_at)
                and starts(middle, at + middle_at)
                and payload_at <= size
            ):
                break
            add((data, at + payload_at, after))
            at = after
        return at
