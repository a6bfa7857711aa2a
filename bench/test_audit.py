"""CPU time and memory of `ingest audit` per event, compiled and in Python."""

from typing import Any
from uuid import uuid4

import pytest

from bench.audited import audit, fill
from bench.results import Results
from tests.services.kafka import KafkaCluster

EVENTS = 2_000_000
DEVICES = 100_000
"""Of each partition of the hub."""
MOST_MIB = 200


@pytest.mark.parametrize(
    ("record_format", "events", "devices", "codes"),
    [
        ("json", EVENTS, DEVICES, ("", "python")),
        ("raw", EVENTS, DEVICES, ("", "python")),
        ("json", 5 * EVENTS, 250_000, ("",)),
    ],
)
def test_audit(
    benchmark: Any,
    results: Results,
    kafka: KafkaCluster,
    record_format: str,
    events: int,
    devices: int,
    codes: tuple[str, ...],
) -> None:
    """A topic of eight partitions with the events of four of the hub's; a row for each kind of code."""
    topic = f"audit-{uuid4().hex[:8]}"
    fill(kafka.bootstrap, topic, events, devices, record_format)
    found = benchmark.pedantic(
        lambda: {code: audit(kafka.bootstrap, topic, events, record_format, INGEST_DECODER=code) for code in codes}
    )
    for code, each in found.items():
        assert (each.told["present"], each.told["missing"], each.told["repeated"]) == (events, 0, 0)
        assert each.resident_mib < MOST_MIB
        results.add_row(
            benchmark,
            "audit",
            {
                "format": record_format,
                "code": code or "compiled",
                "cpu_us_per_event": round(each.cpu_seconds / events * 1e6, 2),
                "events_per_cpu_second": round(events / each.cpu_seconds),
                "events_per_second": round(events / each.wall_seconds),
                "resident_mib": round(each.resident_mib),
                "events": events,
            },
        )
