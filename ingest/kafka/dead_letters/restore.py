"""A dead letter → the original record, as far as it can be sent again. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from ingest.config.values import topic_name_problem
from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import HEADER_OMITTED, HEADER_PREFIX, HEADER_REASON
from ingest.kafka.header_names import Header

HEADER_TOPIC = "ingest-topic"
HEADER_REDRIVEN = "ingest-redriven"
"""How often the record was sent again."""
NO_REASON = "none"
"""Stands for the reason of a record without one, which is not a dead letter."""
NOW = 0
"""Stands for the present as a timestamp."""


class Letter(NamedTuple):
    """A record as it was read."""

    key: bytes | None
    value: bytes
    headers: Sequence[Header]


class Again(NamedTuple):
    """A record to be sent again."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[Header]
    timestamp_ms: int
    """Unix milliseconds, or NOW."""


class Place(NamedTuple):
    """Where a record was in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] at {self.offset}"


def reason_of(headers: Sequence[Header]) -> str:
    """Returns why the record is a dead letter."""
    return first(headers, HEADER_REASON) or NO_REASON


def place_of(letter_topic: str, headers: Sequence[Header]) -> Place | None:
    """Returns where the original was; None if it was not a Kafka record. If its place in the topic is unknown, it is
    -1.

    Raises Undeliverable with the reason not_a_dead_letter or bad_origin.
    """
    if first(headers, HEADER_REASON) is None:
        raise Undeliverable("not_a_dead_letter", f"it has no header {HEADER_REASON}: ingest has not written it")
    topic = first(headers, HEADER_TOPIC)
    if topic is None:
        return None
    if topic == letter_topic or topic_name_problem(topic) is not None:
        raise Undeliverable("bad_origin", f"its header {HEADER_TOPIC} names {topic!r}, to which it cannot be sent")
    return Place(topic, _number(headers, f"{HEADER_PREFIX}partition"), _number(headers, f"{HEADER_PREFIX}offset"))


def is_omitted(headers: Sequence[Header]) -> bool:
    """Whether the letter was too large for the dead-letter topic, and says only where its original is."""
    return first(headers, HEADER_OMITTED) is not None


def redriven(headers: Sequence[Header], before: Sequence[Header]) -> list[Header]:
    """Returns `headers` without ours, plus how often the record with the headers `before` is now sent again."""
    text = first(before, HEADER_REDRIVEN) or ""
    times = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    kept = [header for header in headers if not header[0].startswith(HEADER_PREFIX)]
    return [*kept, (HEADER_REDRIVEN, b"%d" % (times + 1))]


def first(headers: Sequence[Header], name: str) -> str | None:
    """Returns the first value: ingest writes its own headers before the original's, which can have the same names."""
    value = next((value for key, value in headers if key == name), None)
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _number(headers: Sequence[Header], name: str) -> int:
    text = first(headers, name) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
