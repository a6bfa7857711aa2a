"""Record batches that no client library writes, put into a topic of the mock cluster, which looks at none of them."""

import socket
import struct
from collections.abc import Sequence

_PRODUCE, _VERSION = 0, 3


def append_batch(bootstrap: str, topic: str, payload: bytes, *, records: int, attributes: int = 0) -> None:
    """Appends one batch to partition 0. `attributes`: the codec of the payload in the lowest three bits, 2 is Snappy."""
    head = struct.pack(">hiqqqhii", attributes, records - 1, 0, 0, -1, -1, -1, records)
    batch = struct.pack(">qiibI", 0, 9 + len(head) + len(payload), 0, 2, 0) + head + payload
    name = topic.encode()
    request = struct.pack(">hhihhhii", _PRODUCE, _VERSION, 1, -1, -1, -1, 5_000, 1)
    request += struct.pack(">h", len(name)) + name + struct.pack(">iii", 1, 0, len(batch)) + batch
    host, port = bootstrap.split(",")[0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answers:
            (size,) = struct.unpack(">i", answers.read(4))
            answer = answers.read(size)
    # Correlation id, one topic with its name, one partition with its number and its error.
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    assert error == 0, f"the broker answered {error}"


def record(
    value: bytes | None,
    headers: Sequence[tuple[bytes, bytes | None]] = (),
    *,
    key: bytes | None = None,
    number: int = 0,
) -> bytes:
    """One record, the `number`th of its batch; names of headers may be any bytes."""
    body = b"\0" + _varint(0) + _varint(number) + _sized(key) + _sized(value) + _varint(len(headers))
    body += b"".join(_sized(name) + _sized(text) for name, text in headers)
    return _varint(len(body)) + body


def _sized(text: bytes | None) -> bytes:
    return _varint(-1) if text is None else _varint(len(text)) + text


def _varint(number: int) -> bytes:
    left = number << 1 ^ number >> 63
    found = bytearray()
    while left >= 0x80:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)
