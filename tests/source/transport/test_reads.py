"""However a stream is cut, all its bytes are read in order, and its end or its error comes behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.transport.reads import READ_BYTES, Reads


class Pieces:
    """A stream that gives these pieces, one a read; None: nothing is there yet. Then it ends, or breaks."""

    def __init__(self, pieces: list[bytes | None], broken: bool) -> None:
        self._pieces = list(pieces)
        self._broken = broken
        self.reads = 0

    def read(self, most: int) -> bytes | None:
        self.reads += 1
        if self._pieces:
            piece = self._pieces.pop(0)
            assert piece is None or len(piece) <= most
            return piece
        if self._broken:
            raise ConnectionResetError("cut off")
        return b""

    held = False

    def fileno(self) -> int:
        return -1

    def wait(self, seconds: float) -> bool:
        return True

    def write(self, data: bytes) -> None:
        raise AssertionError

    def close(self) -> None: ...

    def terminate(self) -> None: ...


pieces = st.lists(st.none() | st.binary(min_size=1, max_size=40) | st.just(b"x" * READ_BYTES), max_size=30)


@given(pieces, st.booleans())
def test_every_byte_is_read_before_the_end_or_the_error(pieces: list[bytes | None], broken: bool) -> None:
    reads, found = Reads(Pieces(pieces, broken)), list[bytes]()
    try:
        while (data := reads.read()) != b"":
            if data is not None:
                assert len(data) < 2 * READ_BYTES
                found.append(data)
        assert not broken
    except ConnectionResetError:
        assert broken
        with pytest.raises(ConnectionResetError):
            reads.read()
    assert b"".join(found) == b"".join(piece for piece in pieces if piece)


def test_small_pieces_come_together_and_large_ones_alone() -> None:
    small = Pieces([b"a", b"b", b"c", None], broken=False)
    assert Reads(small).read() == b"abc"
    large = Pieces([b"x" * READ_BYTES, b"y"], broken=False)
    assert Reads(large).read() == b"x" * READ_BYTES
    assert large.reads == 1
