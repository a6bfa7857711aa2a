"""Where a receiver starts: the selector filter of its source, and the event that it means in a partition's log."""

import re
from typing import NamedTuple

from ingest.amqp.performatives import Source
from ingest.amqp.types import Described
from ingest.emulator import conditions
from ingest.emulator.conditions import LinkRefused
from ingest.emulator.telemetry.log import PartitionLog

SELECTOR = "apache.org:selector-filter:string"

_EXPRESSION = re.compile(
    r"\s*amqp\.annotation\.x-opt-(?P<by>offset|sequence-number|enqueued-time|enqueuedtimeutc)\s*(?P<op>>=?)"
    r"\s*(?P<quote>'?)(?P<value>[^'\s]*)(?P=quote)\s*"
)


class StartPosition(NamedTuple):
    """`by` is offset, sequence-number, enqueued-time or, in older clients, enqueuedtimeutc (ms since 1970)."""

    by: str
    value: str
    inclusive: bool


FROM_START = StartPosition("offset", "-1", False)


def start_position(source: Source) -> StartPosition:
    """Returns the position that the source's filter names; without a filter the start. Raises LinkRefused."""
    selector = (source.filter or {}).get(SELECTOR)
    if isinstance(selector, Described):
        selector = selector.value
    if selector is None:
        return FROM_START
    match = _EXPRESSION.fullmatch(selector) if isinstance(selector, str) else None
    if match is None:
        raise LinkRefused(conditions.bad_filter(str(selector)))
    return StartPosition(match["by"], match["value"], match["op"] == ">=")


def first_sequence(log: PartitionLog, start: StartPosition) -> int:
    """Returns the sequence number of the first event to deliver. Raises LinkRefused if the position is past the end.

    A position older than the oldest event in the log means that event.
    """
    if start.value == "@latest":
        return log.visible_end
    try:
        value = int(start.value)
    except ValueError:
        raise LinkRefused(conditions.bad_filter(f"x-opt-{start.by} '{start.value}'")) from None
    match start.by:
        case "offset":
            if value > log.last.offset:
                raise LinkRefused(conditions.offset_beyond_end(value, log.last.offset))
            return log.after_offset(value, start.inclusive)
        case "sequence-number":
            first = value if start.inclusive else value + 1
            if first > log.end:
                raise LinkRefused(conditions.sequence_beyond_end(value, log.end - 1))
            return max(first, log.begin)
        case _:
            return log.after_time(value, start.inclusive)
