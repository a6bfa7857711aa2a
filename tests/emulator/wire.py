"""What a session needs of its connection, for tests without a socket."""

from collections import deque
from typing import Any

from ingest.amqp.frames import Frame, FrameSplitter, decode_body


class Wire:
    """Keeps what is written, as performatives with their payloads."""

    max_frame_size = 512
    writable = True

    def __init__(self) -> None:
        self._splitter = FrameSplitter(1 << 16)
        self.written: deque[Any] = deque()

    def write(self, data: bytes) -> None:
        self.written.extend(decode_body(item.body) for item in self._splitter.feed(data) if isinstance(item, Frame))
