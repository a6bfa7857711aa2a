"""The dead-letter record, the same for both directions: the original bytes, and in the headers why it is there."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

HEADER_PREFIX = "ingest-"
HEADER_REASON = "ingest-reason"
HEADER_ERROR = "ingest-error"
HEADER_OMITTED = "ingest-body-omitted"

Header = tuple[str, str | bytes | None]


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
    headers: list[Header] = [(HEADER_REASON, reason.encode()), (HEADER_ERROR, sentence.encode())]
    headers += [(f"ingest-{name}", str(item).encode()) for name, item in position.items() if item is not None]
    return DeadLetter(key, value, [*headers, *original_headers])


def without_body(letter: DeadLetter) -> DeadLetter:
    """The same with an empty value; a header tells how many bytes are left out."""
    omitted: Header = (HEADER_OMITTED, b"%d" % len(letter.value))
    return letter._replace(value=b"", headers=[*letter.headers, omitted])
