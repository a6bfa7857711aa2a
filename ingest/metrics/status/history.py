"""The last 15 minutes of what a node does: one value every few seconds, in buffers of a fixed size. Pure."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ingest.metrics import catalogue as m
from ingest.metrics.catalogue import Metric
from ingest.metrics.page import Page

SAMPLE_SECONDS: Final = 5.0
MINUTES: Final = 15
SAMPLES: Final = round(MINUTES * 60 / SAMPLE_SECONDS)

COUNTED: Final = (
    m.SOURCE_EVENTS,
    m.SOURCE_ACKED,
    m.SOURCE_DEAD_LETTERS,
    m.SINK_COMMANDS,
    m.SINK_DEAD_LETTERS,
)
"""The counters whose rates are kept."""
MEASURED: Final = (m.SOURCE_LAG_EVENTS, m.SOURCE_LAG_SECONDS, m.SINK_RATE_LIMIT, m.SINK_LAG)
"""The gauges that are kept."""
NAMES: Final = (
    "source_events_per_second",
    "source_records_acked_per_second",
    "source_dead_letters_per_second",
    "source_lag_events",
    "source_lag_seconds",
    "sink_commands_per_second",
    "sink_dead_letters_per_second",
    "sink_rate_limit_per_second",
    "sink_lag_records",
)

Values = Mapping[str, float | None]
"""By one of `NAMES`; None: unknown, or nothing measures it."""


def values(now: Page, before: Page, seconds: float) -> Values:
    """Returns what the node did between two looks, `seconds` apart, over all its processes."""

    def rate(metric: Metric, *last: str) -> float | None:
        return _rate(now, before, seconds, metric, last)

    return {
        "source_events_per_second": rate(m.SOURCE_EVENTS),
        "source_records_acked_per_second": rate(m.SOURCE_ACKED),
        "source_dead_letters_per_second": rate(m.SOURCE_DEAD_LETTERS),
        "source_lag_events": _finite(now.total(m.SOURCE_LAG_EVENTS)),
        "source_lag_seconds": _finite(max(now.of(m.SOURCE_LAG_SECONDS).values(), default=None)),
        "sink_commands_per_second": rate(m.SINK_COMMANDS, "sent"),
        "sink_dead_letters_per_second": rate(m.SINK_DEAD_LETTERS),
        "sink_rate_limit_per_second": _finite(min(now.of(m.SINK_RATE_LIMIT).values(), default=None)),
        "sink_lag_records": _finite(now.total(m.SINK_LAG)),
    }


def _rate(now: Page, before: Page, seconds: float, metric: Metric, last: tuple[str, ...]) -> float | None:
    """Of the series whose labels end with `last`, together. A series that is new or has gone counts for nothing."""
    if seconds <= 0:
        return None
    earlier = before.of(metric)
    grown = [
        max(0.0, value - earlier[labels])
        for labels, value in now.of(metric).items()
        if labels in earlier and labels[len(labels) - len(last) :] == last
    ]
    return _finite(sum(grown) / seconds) if grown else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class History:
    """The last values, oldest first."""

    def __init__(self, names: Iterable[str] = NAMES, samples: int = SAMPLES) -> None:
        self._time: deque[int] = deque(maxlen=samples)
        self._kept: dict[str, deque[float | None]] = {name: deque(maxlen=samples) for name in names}

    def add(self, unix: float, values: Values) -> None:
        """Adds one value of each name; a name without one is unknown."""
        self._time.append(round(unix))
        for name, kept in self._kept.items():
            value = values.get(name)
            # Four digits: more than a plot shows, and short in the answer.
            kept.append(None if value is None else short(value))

    def as_json(self) -> dict[str, Any]:
        """Returns `time`, in Unix seconds, and each name, as lists of one length."""
        return {"time": list(self._time), **{name: list(kept) for name, kept in self._kept.items()}}


def short(value: float, digits: int = 4) -> float:
    """Returns the value with this many digits; whole, if it is large."""
    if value == 0:
        return 0
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if places > 0:
        return round(value, places)
    # Whole numbers beyond those that a float has are long, and not every reader of JSON takes them.
    return round(value) if abs(value) < 1 << 53 else value
