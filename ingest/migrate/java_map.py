"""The offset file of a standalone Connect worker: Java's serialization of a HashMap<byte[], byte[]>, and nothing else. Pure.

Java Object Serialization Specification, chapter 6. No name in the file creates an object, and a reference leads only to
an array that was read before: a hostile file can only be refused, within time and memory of its own size.
"""

import struct
from typing import Final, NoReturn

_MAGIC: Final = b"\xac\xed\x00\x05"
_MAP: Final = (
    b"sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02F\x00\x0aloadFactorI\x00\x09thresholdxp"
)
_SIZES: Final = b"w\x08"
_END: Final = b"x"
_NULL: Final = b"p"
_REFERENCE: Final = b"q"
_ARRAY: Final = b"u"
_BYTES_CLASS: Final = b"r\x00\x02[B\xac\xf3\x17\xf8\x06\x08T\xe0\x02\x00\x00xp"
_FIRST_HANDLE: Final = 0x7E0000
_BYTES_CLASS_HANDLE: Final = _FIRST_HANDLE + 2
"""After the map's class and the map. The arrays follow."""


class BadMap(ValueError):
    """The bytes are not such a map; `str()` says where that shows."""


def read_pairs(content: bytes) -> list[tuple[bytes | None, bytes | None]]:
    """Returns (key, value) of each entry, in the order of the file. Raises BadMap."""
    if not content.startswith(_MAGIC):
        raise BadMap("it does not begin as Java's serialized objects do")
    if not content.startswith(_MAP, len(_MAGIC)):
        raise BadMap("it is not a java.util.HashMap")
    return _Reader(content, len(_MAGIC + _MAP)).pairs()


class _Reader:
    def __init__(self, content: bytes, at: int) -> None:
        self._content = content
        self._at = at
        self._arrays: dict[int, bytes] = {}
        self._class_is_known = False

    def pairs(self) -> list[tuple[bytes | None, bytes | None]]:
        self._take(8)  # loadFactor and threshold, which Java itself ignores
        if not self._is_next(_SIZES):
            self._fail("the map's size is missing")
        self._take(4)  # its capacity
        count = self._number()
        if count > len(self._content):
            self._fail("the map's size is beyond the file's")
        pairs = [(self._element(), self._element()) for _ in range(count)]
        if not self._is_next(_END) or self._at != len(self._content):
            self._fail("something follows the last entry")
        return pairs

    def _element(self) -> bytes | None:
        if self._is_next(_NULL):
            return None
        if self._is_next(_REFERENCE):
            handle = self._number()
            if handle not in self._arrays:
                self._fail("a reference leads to no byte array")
            return self._arrays[handle]
        if not self._is_next(_ARRAY):
            self._fail("neither a byte array nor null")
        if self._class_is_known:
            known = self._is_next(_REFERENCE) and self._number() == _BYTES_CLASS_HANDLE
        else:
            known = self._class_is_known = self._is_next(_BYTES_CLASS)
        if not known:
            self._fail("an array of something else than bytes")
        array = self._take(self._number())
        self._arrays[_BYTES_CLASS_HANDLE + 1 + len(self._arrays)] = array
        return array

    def _is_next(self, expected: bytes) -> bool:
        """Takes `expected` if it comes next; returns whether it did."""
        found = self._content.startswith(expected, self._at)
        self._at += len(expected) * found
        return found

    def _number(self) -> int:
        number: int = struct.unpack(">I", self._take(4))[0]
        return number

    def _take(self, count: int) -> bytes:
        if count > len(self._content) - self._at:
            self._fail("it is cut short")
        self._at += count
        return self._content[self._at - count : self._at]

    def _fail(self, why: str) -> NoReturn:
        raise BadMap(f"at byte {self._at}: {why}")
