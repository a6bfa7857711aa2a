"""What is finished after a command that is held back, as text in the metadata of a Kafka commit. Pure.

The committed offset says only what is finished without a gap. The text adds the rest: `ingest1:` and then, deflated and
in base64, numbers with 7 bits per byte: the leader epoch of the newest known record (plus 1; 0: none), then from the
committed offset on, alternating, how many offsets are not finished and how many are. The checksum of zlib guards it.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

MARK: Final = "ingest1:"
MAX_BYTES: Final = 3_500
"""A broker takes 4,096 unless `offset.metadata.max.bytes` says less."""
_MOST_RUNS: Final = 20_000
"""More never fit, and checking more costs time on every commit."""
_MOST_RAW_BYTES: Final = 1 << 20
"""Nothing that `encode` writes unpacks to this much."""


class Run(NamedTuple):
    """Offsets from `start` to before `end`."""

    start: int
    end: int


class Finished(NamedTuple):
    """What an earlier process had finished after the offset that it committed."""

    runs: Sequence[Run]
    """In ascending order, with gaps between them."""
    epoch: int | None
    """Leader epoch of the newest record that it had read: a record of a later epoch is a different one."""


NOTHING: Final = Finished((), None)


def encode(commit: int, runs: Iterable[Run], epoch: int | None, limit: int = MAX_BYTES) -> str:
    """Returns at most `limit` bytes of ASCII; if not all runs fit, those nearest the committed offset. "" for none."""
    lengths: list[int] = []
    at = commit
    for start, end in islice(runs, _MOST_RUNS):
        lengths += (start - at, end - start)
        at = end
    while lengths:
        numbers = [0 if epoch is None else epoch + 1, *lengths]
        text = MARK + base64.b64encode(zlib.compress(b"".join(map(_packed, numbers)))).decode()
        if len(text) <= limit:
            return text
        # How well the rest compresses is unknown: take a little less than in proportion, until it fits.
        kept = min(len(lengths) - 2, int(len(lengths) * limit / len(text) * 0.95))
        del lengths[kept - kept % 2 if kept > 0 else 0 :]
    return ""


def decode(commit: int, text: str | None) -> Finished | None:
    """Returns None if the text is not ours, or damaged; `NOTHING` for no text at all. Raises nothing."""
    if not text:
        return NOTHING
    if not text.startswith(MARK):
        return None
    try:
        inflater = zlib.decompressobj()
        packed = inflater.decompress(base64.b64decode(text[len(MARK) :], validate=True), _MOST_RAW_BYTES)
        if not inflater.eof:
            return None
        epoch, *lengths = _numbers(packed)
    except (binascii.Error, zlib.error, ValueError):
        return None
    # Only the first can be 0: what is read next can be finished already.
    if len(lengths) % 2 or not all(lengths[1:]):
        return None
    runs, at = [], commit
    for unfinished, finished in zip(lengths[::2], lengths[1::2], strict=True):
        start = at + unfinished
        at = start + finished
        runs.append(Run(start, at))
    return Finished(runs, epoch - 1 if epoch else None)


def _packed(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _numbers(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("the last number is cut off")
