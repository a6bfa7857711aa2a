"""Deliveries to transfer frames, with everything but the delivery id prepared once per link."""

import struct
from collections.abc import Sequence

from ingest.amqp.encoding import encode
from ingest.amqp.types import UInt

_TRUE, _FALSE, _NULL = 0x41, 0x42, 0x40
_TAG = b"\xa0\x04"
_ID_MASK = 0xFFFF_FFFF


def _tail(settled: bool, more: bool, spelled_out: bool) -> bytes:
    """message-format 0, settled, more, rcv-settle-mode and state null, not resume, aborted, batchable."""
    no = _FALSE if spelled_out else _NULL
    return bytes((0x43, _TRUE if settled else _FALSE, _TRUE if more else _FALSE, _NULL, _NULL, no, no, no))


class TransferEncoder:
    """Makes the frames of deliveries: all 11 fields, the delivery id, or a number so far ahead of it, as tag (AMQP 1.0 part
    2.7.5)."""

    def __init__(
        self, channel: int, handle: int, max_frame_size: int, *, settled: bool = True, spelled_out: bool = True
    ) -> None:
        """`spelled_out`: false is sent as false, as the service does; if not, as null, as its clients do."""
        self.tag_ahead = 0
        fields = encode(UInt(handle))
        self._tail, self._tail_more = _tail(settled, False, spelled_out), _tail(settled, True, spelled_out)
        size = 1 + len(fields) + 5 + 6 + len(self._tail)
        self._lead = struct.pack(">BBHBBBBBB", 2, 0, channel, 0, 0x53, 0x14, 0xC0, size, 11) + fields + b"\x70"
        layout = struct.Struct(f">I{len(self._lead)}sI2sI{len(self._tail)}s")
        self._pack = layout.pack
        self._overhead = layout.size
        self._max_payload = max_frame_size - layout.size

    def encode(self, out: list[bytes], delivery_id: int, payloads: Sequence[bytes]) -> tuple[int, list[bytes]]:
        """Append whole frames for `payloads` to `out`, up to the first that needs more than one frame.

        Returns how many payloads went in, and the frames of the one that follows if it has to be split.
        """
        pack, lead, tail, overhead, most = self._pack, self._lead, self._tail, self._overhead, self._max_payload
        ahead = self.tag_ahead
        for index, payload in enumerate(payloads):
            size = len(payload)
            if size > most:
                return index, self.split(delivery_id, payload)
            out.append(pack(overhead + size, lead, delivery_id, _TAG, (delivery_id + ahead) & _ID_MASK, tail))
            out.append(payload)
            delivery_id = (delivery_id + 1) & _ID_MASK
        return len(payloads), []

    def split(self, delivery_id: int, payload: bytes) -> list[bytes]:
        """The frames of one delivery, whatever its size."""
        frames = []
        most, tag = self._max_payload, (delivery_id + self.tag_ahead) & _ID_MASK
        for start in range(0, max(len(payload), 1), most):
            part = payload[start : start + most]
            tail = self._tail_more if start + most < len(payload) else self._tail
            frames.append(self._pack(self._overhead + len(part), self._lead, delivery_id, _TAG, tag, tail) + part)
        return frames
