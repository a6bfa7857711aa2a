"""A dead letter → the record that it was, as far as it can be sent again. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from ingest.config_values import topic_name_problem
from ingest.deadletter import HEADER_OMITTED, HEADER_REASON, Header
from ingest.errors import Undeliverable

HEADER_TOPIC = "ingest-topic"
HEADER_REDRIVEN = "ingest-redriven"
"""How often the record was sent again."""
PREFIX = "ingest-"
NO_REASON = "none"
"""Stands for the reason of a record that has none, which is no dead letter."""


class Original(NamedTuple):
    """Where to send the record again, and with which headers."""

    topic: str
    headers: list[Header]


def reason_of(headers: Sequence[Header]) -> str:
    """Why the record is a dead letter."""
    return _first(headers, HEADER_REASON) or NO_REASON


def original_of(letter_topic: str, headers: Sequence[Header]) -> Original:
    """Raises Undeliverable with the reason not_a_dead_letter, no_origin, bad_origin or body_omitted."""
    if _first(headers, HEADER_REASON) is None:
        raise Undeliverable("not_a_dead_letter", f"it has no header {HEADER_REASON}: ingest has not written it")
    topic = _first(headers, HEADER_TOPIC)
    if topic is None:
        raise Undeliverable(
            "no_origin",
            f"it has no header {HEADER_TOPIC}: its original was no Kafka record but came from the hub, "
            "and its place there is in the other headers",
        )
    if topic == letter_topic or topic_name_problem(topic) is not None:
        raise Undeliverable("bad_origin", f"its header {HEADER_TOPIC} names {topic!r}, to which it cannot be sent")
    if _first(headers, HEADER_OMITTED) is not None:
        raise Undeliverable(
            "body_omitted", f"its body was too large for the dead-letter topic: read the original in {topic}"
        )
    return Original(topic, [*_kept(headers), (HEADER_REDRIVEN, b"%d" % (_times(headers) + 1))])


def _kept(headers: Sequence[Header]) -> list[Header]:
    return [header for header in headers if not header[0].startswith(PREFIX)]


def _times(headers: Sequence[Header]) -> int:
    text = _first(headers, HEADER_REDRIVEN) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _first(headers: Sequence[Header], name: str) -> str | None:
    """ingest writes its own headers before those of the original, which may have the same names."""
    value = next((value for key, value in headers if key == name), None)
    return value.decode(errors="replace") if isinstance(value, bytes) else value
