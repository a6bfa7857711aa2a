"""The two reference pages as text, made from the declarations that the program itself runs on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ingest.config.kinds import (
    Choice,
    FilePath,
    Flag,
    Kind,
    Librdkafka,
    Name,
    Names,
    Number,
    SecretText,
    StartPosition,
    Text,
    Whole,
)
from ingest.config.rendering import shown_value
from ingest.config.sections import KEYS, SECTIONS
from ingest.metrics.audits import AUDIT_METRICS
from ingest.metrics.catalogue import METRICS, Metric

COMMAND: Final = "python -m tests.docs"

_TYPES: Final[Mapping[type[Kind], str]] = {
    Choice: "one of",
    FilePath: "path",
    Flag: "one of",
    Librdkafka: "table",
    Name: "text",
    Names: "list of texts",
    Number: "number,",
    SecretText: "secret",
    StartPosition: "text, time or table",
    Text: "text",
    Whole: "whole number,",
}
"""Kind of a key → its word in the page, before what is allowed."""

_CONFIGURATION: Final = """\
# Configuration

Every key of `ingest.toml`, from `ingest/config/schema.py`. Generated: after a change there, run `python -m tests.docs`.

- Three layers, the later wins: the TOML file, the environment (`INGEST__SOURCE__TOPIC=telemetry`), flags
  (`--set source.topic=telemetry`). In the environment a list has commas.
- A secret can be in a file of its own: append `_file` to its key and give the path, relative to the TOML file. Under systemd the
  name of a credential is enough.
- An unknown key is an error. All mistakes are shown at once, before anything starts.
- `ingest print-config --example` prints the same as a TOML file, `ingest print-config --effective -c ingest.toml` the one in
  force, and `ingest check-config -c ingest.toml` checks it.
"""

_METRICS: Final = """\
# Metrics

Every metric of `/metrics`, from `ingest/metrics/catalogue.py`. Generated: after a change there, run `python -m tests.docs`.

Names, types and labels are a contract: dashboards and alerts depend on them. [grafana/README.md](../grafana/README.md) has
both, [grafana/RUNBOOK.md](../grafana/RUNBOOK.md) says what to do about each alert.

A counter keeps counting when its process is replaced, and starts at 0 for every value of a label that is listed here. A gauge is
absent while the process that measures it is down; `ingest_process_up` is then 0.

| label | meaning |
|---|---|
| `partition` | the hub's partition id |
| `worker` | the number of a sink process; `feedback` for the process that reads the hub's feedback |
| `role`, `slot` | the kind of process (`source`, `sink`, `feedback`), and its partition or number |
| `service` | what a token is for: `event_hubs`, `iot_hub`, `blob_storage` |
"""

_AUDITS: Final = """\
Not on the port: `ingest audit --metrics-file` writes them, for a collector of files; `name` is that of the configuration's file.

"""
_GROUPS: Final[Sequence[tuple[str, str]]] = (
    ("source_", "Telemetry"),
    ("sink_", "Commands"),
    ("kafka_", "Kafka producers"),
    ("audit_", "Audits"),
    ("", "Processes"),
)
"""Start of a metric's name → heading; the first that fits."""


def configuration() -> str:
    """docs/configuration.md. Raises KeyError for a kind of key that has no word here."""
    parts = [_CONFIGURATION]
    for section, kind in SECTIONS.items():
        defaults = kind()
        rows = [
            (f"`{name}`", _type(key.kind), _default(key.kind, getattr(defaults, name)), key.doc)
            for name, key in KEYS[section].items()
        ]
        parts.append(f"\n## [{section}]\n\n{kind.__doc__}\n\n{_table(('key', 'type', 'default', 'meaning'), rows)}")
    return "".join(parts)


def metrics() -> str:
    """docs/metrics.md."""
    parts = [_METRICS]
    for start, heading in _GROUPS:
        rows = [
            (f"`{metric.full_name}`", metric.type, ", ".join(f"`{label}`" for label in metric.labels), _help(metric))
            for metric in (*METRICS, *AUDIT_METRICS)
            if _group(metric) == start
        ]
        more = _AUDITS if start == "audit_" else ""
        parts.append(f"\n## {heading}\n\n{more}{_table(('metric', 'type', 'labels', 'meaning, and what to do'), rows)}")
    return "".join(parts)


PAGES: Final[Mapping[str, Callable[[], str]]] = {"docs/configuration.md": configuration, "docs/metrics.md": metrics}
"""File, from the root → what makes its text."""


def _type(kind: Kind) -> str:
    if not kind.allowed:
        return _TYPES[type(kind)]
    # A range has no markup; the words of a choice are TOML.
    words = isinstance(kind, Choice | Flag)
    allowed = ", ".join(f"`{word}`" for word in kind.allowed.split(", ")) if words else kind.allowed
    return f"{_TYPES[type(kind)]} {allowed}"


def _default(kind: Kind, value: object) -> str:
    if value is None or isinstance(kind, SecretText | Librdkafka):
        return "none"
    return f"`{shown_value(value)}`"


def _group(metric: Metric) -> str:
    return next(start for start, _ in _GROUPS if metric.name.startswith(start))


def _help(metric: Metric) -> str:
    extra = ""
    if metric.known:
        extra = f" Values of `{metric.labels[-1]}`: {', '.join(f'`{value}`' for value in metric.known)}."
    if metric.buckets:
        extra += f" Buckets: {', '.join(f'{edge:g}' for edge in metric.buckets)}."
    return metric.help + extra


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in _with_rule(heads, rows))


def _with_rule(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    yield heads
    yield ["---"] * len(heads)
    yield from rows


def _cell(text: str) -> str:
    """One line, in which a bar is no border."""
    return " ".join(text.split()).replace("|", "\\|")
