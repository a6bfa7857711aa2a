"""The dead-letter record, the same for both directions: the original bytes, and in the headers why it is there."""

from typing import NamedTuple

HEADER_REASON = "ingest-reason"
HEADER_ERROR = "ingest-error"


class DeadLetter(NamedTuple):
    """One record for a dead-letter topic."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | bytes | None]]
    timestamp_ms: int


def dead_letter(
    key: bytes | None,
    value: bytes,
    timestamp_ms: int,
    reason: str,
    sentence: str,
    position: dict[str, str | int | None],
) -> DeadLetter:
    """`reason` is a short code, `sentence` says what is wrong, `position` names where the original is, by header name.

    A position of None is left out.
    """
    headers: list[tuple[str, str | bytes | None]] = [
        (HEADER_REASON, reason.encode()),
        (HEADER_ERROR, sentence.encode()),
    ]
    headers += [(f"ingest-{name}", str(value).encode()) for name, value in position.items() if value is not None]
    return DeadLetter(key, value, headers, timestamp_ms)
