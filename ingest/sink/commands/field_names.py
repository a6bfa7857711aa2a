"""The names of a command's fields, and what another name probably meant. Pure."""

import re
from collections.abc import Iterable
from typing import Final

KEYS: Final = (
    "deviceId",
    "message",
    "messageId",
    "correlationId",
    "contentType",
    "contentEncoding",
    "ack",
    "expiry",
    "expiryTime",
    "properties",
    "moduleId",
)
"""Fields of the JSON object."""
HEADERS: Final = tuple(key for key in KEYS if key not in ("message", "properties"))
"""The same in headers: the message is the value, and each property has a header of its own."""
PROPERTY_PREFIX: Final = "p-"
"""Header `p-NAME` is property NAME, as in the source's `raw` format."""

_SEPARATORS: Final = re.compile(r"[\s_.\-]+")
_TRACING: Final = frozenset(
    (
        "traceparent",
        "tracestate",
        "baggage",
        "b3",
        "uber-trace-id",
        "x-amzn-trace-id",
        "elasticapmtraceparent",
        "elastic-apm-traceparent",
        "newrelic",
        "sentry-trace",
    )
)
_FOREIGN_PREFIXES: Final = ("x-b3-", "x-datadog-", "x-ot-span-", "ingest-")


def nearest(name: str, known: Iterable[str] = KEYS) -> str | None:
    """Returns the known name that differs by case, separators, or one letter added, removed, changed or swapped."""
    folded = _fold(name)
    found = None
    for candidate in known:
        other = _FOLDED[candidate]
        if folded == other:
            return candidate
        if found is None and _is_one_edit(folded, other):
            found = candidate
    return found


def is_of_others(header: str) -> bool:
    """Whether the header is known to be for others: tracing systems, or ingest itself."""
    name = header.lower()
    return name in _TRACING or name.startswith(_FOREIGN_PREFIXES)


def _is_one_edit(one: str, two: str) -> bool:
    """Whether one letter added, removed or changed, or two swapped neighbours, turn one into the other; they differ."""
    if not -1 <= len(one) - len(two) <= 1:
        return False
    at = 0
    for letter, other in zip(one, two, strict=False):
        if letter != other:
            break
        at += 1
    if len(one) < len(two):
        return one[at:] == two[at + 1 :]
    if len(one) > len(two):
        return one[at + 1 :] == two[at:]
    return (
        one[at + 1 :] == two[at + 1 :]
        or one[at : at + 2] + one[at + 2 :] == two[at + 1 : at + 2] + two[at : at + 1] + two[at + 2 :]
    )


def _fold(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()


_FOLDED: Final = {key: _fold(key) for key in KEYS}
