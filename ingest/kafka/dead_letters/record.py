"""The dead-letter record, the same for both directions: the original bytes, and the cause in the headers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ingest.kafka.header_names import Header

HEADER_PREFIX = "ingest-"
HEADER_REASON = "ingest-reason"
HEADER_ERROR = "ingest-error"
HEADER_OMITTED = "ingest-body-omitted"

_POSITION = tuple(f"ingest-{name}" for name in ("event-hub", "topic", "partition", "offset", "sequence-number"))


class DeadLetter(NamedTuple):
    """One record for a dead-letter topic."""

    key: bytes | None
    value: bytes
    headers: list[Header]


def dead_letter(
    key: bytes | None,
    value: bytes,
    reason: str,
    sentence: str,
    position: Mapping[str, str | int | None],
    original_headers: Sequence[Header] = (),
) -> DeadLetter:
    """`reason` is a short code, `sentence` says what is wrong, `position` names where the original is, by header name.

    A position of None is left out. The original's own headers follow.
    """
    headers: list[Header] = [(HEADER_REASON, utf8(reason)), (HEADER_ERROR, utf8(sentence))]
    headers += [(f"ingest-{name}", utf8(str(item))) for name, item in position.items() if item is not None]
    return DeadLetter(key, value, [*headers, *original_headers])


def utf8(text: str) -> bytes:
    """Encodes any text, as a dead letter must not fail for its own cause: half a surrogate pair becomes `\\ud800`."""
    return text.encode(errors="backslashreplace")


def without_body(letter: DeadLetter) -> DeadLetter:
    """Returns the same with an empty value; a header says how many bytes are left out."""
    omitted: Header = (HEADER_OMITTED, b"%d" % len(letter.value))
    return letter._replace(value=b"", headers=[*letter.headers, omitted])


def position_alone(letter: DeadLetter) -> DeadLetter:
    """Returns the minimum, for a topic that refuses even `without_body`: the reason, the position, and a key made of
    the position, as compacted topics require a key, and the original key can be the cause."""
    known = dict(reversed(letter.headers))  # the first of a name is ours
    kept: list[Header] = [(HEADER_REASON, known.get(HEADER_REASON) or b"")]
    kept += [(name, known[name]) for name in _POSITION if known.get(name) is not None]
    key = b"/".join(_bytes(value) for name, value in kept if name != HEADER_REASON)
    return DeadLetter(key or b"unknown", b"", [*kept, (HEADER_OMITTED, b"%d" % len(letter.value))])


def with_key(letter: DeadLetter) -> DeadLetter:
    """Returns the same, with a made-up key if it has none."""
    return letter if letter.key is not None else letter._replace(key=position_alone(letter).key)


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
