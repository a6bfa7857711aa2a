"""Frames: bytes from a socket → protocol headers and frames, and back (AMQP 1.0 part 2.2 and 2.3)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ingest.amqp.composites import Composite, composite
from ingest.amqp.decoding import decode, decode_typed
from ingest.amqp.dispositions import PREFIX, Run, run_at
from ingest.amqp.errors import AmqpError
from ingest.amqp.types import Buffer

AMQP_FRAME = 0
SASL_FRAME = 1
EMPTY_FRAME = b"\x00\x00\x00\x08\x02\x00\x00\x00"
"""A heartbeat (AMQP 1.0 part 2.4.5)."""
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
MIN_MAX_FRAME_SIZE = 512

_HEADER = struct.Struct(">IBBH")
_AMQP = int.from_bytes(b"AMQP", "big")
"""What the size of a frame is read as where a protocol header stands."""


class ProtocolHeader(NamedTuple):
    """The 8 bytes that start each protocol layer, such as `AMQP_HEADER`."""

    raw: bytes


class Frame(NamedTuple):
    """One frame; an empty `body` is a heartbeat."""

    kind: int
    """`AMQP_FRAME` or `SASL_FRAME`."""
    channel: int
    body: bytes


class FrameSplitter:
    """Splits a byte stream, fed in pieces of any size, into protocol headers and frames. Holds at most one frame."""

    def __init__(self, max_frame_size: int) -> None:
        self._limit = max_frame_size
        self._rest = b""

    def feed(self, data: Buffer) -> list[ProtocolHeader | Frame]:
        """Raises AmqpError if a frame is larger than agreed, or if the bytes are not a frame."""
        return [item for item in self.each(data, runs=False) if not isinstance(item, Run)]

    def each(self, data: Buffer, *, runs: bool = True) -> Iterator[ProtocolHeader | Frame | Run]:
        """As `feed`, one at a time: what precedes bytes that are not a frame comes before the error, and those are dropped.

        `runs`: whether dispositions that say the same come together.
        """
        buf, self._rest = self._rest + data, b""
        pos = 0
        while len(buf) - pos >= 8:
            if runs and buf[pos + 8 : pos + 12] == PREFIX:
                run, pos = run_at(buf, pos)
                if run is not None:
                    yield run
                    continue
            size, offset, kind, channel = _HEADER.unpack_from(buf, pos)
            if size == _AMQP:
                yield ProtocolHeader(buf[pos : pos + 8])
                pos += 8
                continue
            if size < 8 or not 2 <= offset <= size // 4 or kind > SASL_FRAME:
                raise AmqpError(f"These bytes are no AMQP frame: {buf[pos : pos + 8].hex()}.")
            if size > self._limit:
                raise AmqpError(f"A frame of {size} bytes is larger than the agreed {self._limit}.")
            if len(buf) - pos < size:
                break
            yield Frame(kind, channel, buf[pos + 4 * offset : pos + size])
            pos += size
        self._rest = buf[pos:]

    def take_rest(self) -> bytes:
        """Returns the beginning of an incomplete frame, and no longer holds it."""
        rest, self._rest = self._rest, b""
        return bytes(rest)


def encode_frame(channel: int, performative: Composite, payload: bytes = b"", *, kind: int = AMQP_FRAME) -> bytes:
    """Returns one whole frame: header, performative and, for a transfer, its payload."""
    body = performative.encode() + payload
    return _HEADER.pack(8 + len(body), 2, kind, channel) + body


def decode_body(body: bytes, *, typed: bool = False) -> tuple[Composite, bytes]:
    """Returns the performative of a non-empty frame and the payload bytes after it. Raises AmqpError.

    `typed`: numbers in maps and described values keep their types, for a caller that sends them back.
    """
    value, end = (decode_typed if typed else decode)(body)
    return composite(value), body[end:]
