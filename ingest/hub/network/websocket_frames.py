"""WebSocket's frames (RFC 6455, section 5), without I/O: bytes in, payload out. For both sides.

Not a library's: those hand out messages as objects, and this is the way of every byte of telemetry. All that AMQP wants of
WebSocket is a stream of bytes (AMQPWSB10: binary messages, whose borders mean nothing), so nothing is collected, and the
rest of a large frame passes through as it was read.
"""

import struct
from typing import Final

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
NORMAL_END: Final = 1000
PROTOCOL_ERROR: Final = 1002
_MOST_CONTROL_BYTES: Final = 125
_FINAL, _RESERVED, _MASKED = 0x80, 0x70, 0x80
_LONGEST: Final = 1 << 62
_WHOLE_MESSAGE: Final = BINARY | _FINAL


class BadFrame(Exception):
    """Bytes that are no WebSocket of ours. `str()` says what is wrong with them."""


def frame(opcode: int, payload: bytes, mask: bytes = b"", *, final: bool = True) -> bytes:
    """One frame; `mask`: four random bytes from a client, none from a server."""
    size = len(payload)
    first, masked = opcode | (_FINAL if final else 0), _MASKED if mask else 0
    if size < 126:
        head = bytes((first, masked | size))
    elif size < 1 << 16:
        head = struct.pack(">BBH", first, masked | 126, size)
    else:
        head = struct.pack(">BBQ", first, masked | 127, size)
    return head + mask + (xor(payload, mask) if mask else payload)


def xor(data: bytes, mask: bytes) -> bytes:
    """`data` with each byte changed by that of the repeated `mask`. As one number: 0.3 GB/s, and a node sends little."""
    size = len(data)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


class FrameReader:
    """Takes the stream out of the frames, fed in any pieces."""

    def __init__(self, *, masked: bool) -> None:
        """`masked`: whether it reads what clients send, who must mask (section 5.1)."""
        self.controls: list[tuple[int, bytes]] = []
        """Opcode and payload of control frames, in order. The caller takes them out."""
        self.error: BadFrame | None = None
        """Why nothing more can be read; what came before was handed out."""
        self._masked = masked
        self._left = 0
        """Bytes of the current data frame that are still to come."""
        self._mask = b""
        self._in_message = False
        self._held = b""
        """The beginning of a head, or of a control frame: 131 bytes at most."""

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`, which is never more than `data`."""
        if self.error is not None:
            return b""
        left = self._left
        if left >= len(data) and not self._masked:
            self._left = left - len(data)
            return data
        parts: list[bytes] = []
        try:
            self._cut(self._held + data if self._held else data, parts)
        except BadFrame as error:
            self.error = error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _cut(self, data: bytes, parts: list[bytes]) -> None:
        at, end = 0, len(data)
        self._held = b""
        plain = not self._masked
        while at < end:
            if self._left:
                taken = data[at : at + self._left]
                at += len(taken)
                self._left -= len(taken)
                parts.append(self._unmasked(taken))
                continue
            # A hub may send each frame of AMQP as a message of its own: these few lines in place of `_head` halve their cost.
            if plain and at + 4 <= end and data[at] == _WHOLE_MESSAGE and data[at + 1] < 127 and not self._in_message:
                size = data[at + 1]
                at += 2
                if size == 126:
                    size = data[at] << 8 | data[at + 1]
                    at += 2
                taken = data[at : at + size]
                parts.append(taken)
                self._left = size - len(taken)
                at += len(taken)
                continue
            head = self._head(data, at)
            if head is None:
                self._held = data[at:]
                return
            opcode, size, mask, body = head
            if opcode < CLOSE:
                self._left, self._mask, at = size, mask, body
                continue
            if end - body < size:
                self._held = data[at:]
                return
            payload = data[body : body + size]
            self.controls.append((opcode, xor(payload, mask) if mask else payload))
            at = body + size

    def _unmasked(self, part: bytes) -> bytes:
        if not self._mask:
            return part
        turned = len(part) % 4
        plain = xor(part, self._mask)
        self._mask = self._mask[turned:] + self._mask[:turned]
        return plain

    def _head(self, data: bytes, at: int) -> tuple[int, int, bytes, int] | None:
        """Opcode, size, mask and where the payload begins; None when the head is not whole. Raises BadFrame."""
        if len(data) - at < 2:
            return None
        first, second = data[at], data[at + 1]
        opcode, size, body = first & 15, second & 0x7F, at + 2
        if first & _RESERVED:
            raise BadFrame("a frame of an extension that was not agreed on")
        if bool(second & _MASKED) is not self._masked:
            raise BadFrame("a frame without a mask" if self._masked else "a frame with a mask, which only clients send")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise BadFrame(f"a frame of the unknown kind {opcode}")
            if not first & _FINAL or size > _MOST_CONTROL_BYTES:
                raise BadFrame("a control frame that is in pieces or too long")
        elif opcode > BINARY or opcode == TEXT:
            raise BadFrame("text, where AMQP is binary" if opcode == TEXT else f"a frame of the unknown kind {opcode}")
        elif self._in_message is (opcode == BINARY):
            raise BadFrame("a message that begins inside another" if opcode else "the rest of a message never begun")
        wide = {126: 2, 127: 8}.get(size, 0)
        if len(data) - body < wide + 4 * self._masked:
            return None
        if wide:
            size = int.from_bytes(data[body : body + wide], "big")
            body += wide
            if size > _LONGEST:
                raise BadFrame("a frame that is longer than any")
        mask = data[body : body + 4] if self._masked else b""
        if opcode < CLOSE:
            self._in_message = not first & _FINAL
        return opcode, size, mask, body + len(mask)


def close_payload(code: int, words: str = "") -> bytes:
    """What a close frame says."""
    return code.to_bytes(2, "big") + words.encode()[: _MOST_CONTROL_BYTES - 2]


def close_words(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; 1000 where it has no code."""
    if len(payload) < 2:
        return NORMAL_END, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace")
