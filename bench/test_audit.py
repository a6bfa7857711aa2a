"""CPU time and memory of `ingest audit` per event, compiled and in Python."""

from typing import Any
from uuid import uuid4

import pytest

from bench.audited import audit, fill
from bench.results import Results
from tests.services.kafka import KafkaCluster

EVENTS = 2_000_000
DEVICES = 100_000


@pytest.mark.parametrize("record_format", ["json", "raw"])
def test_audit(benchmark: Any, results: Results, kafka: KafkaCluster, record_format: str) -> None:
    """A topic of eight partitions with the events of four of the hub's; a row for each kind of code."""
    topic = f"audit-{uuid4().hex[:8]}"
    fill(kafka.bootstrap, topic, EVENTS, DEVICES, record_format)
    found = benchmark.pedantic(
        lambda: {
            code: audit(kafka.bootstrap, topic, EVENTS, record_format, INGEST_DECODER=code) for code in ("", "python")
        }
    )
    for code, each in found.items():
        assert (each.told["present"], each.told["missing"], each.told["repeated"]) == (EVENTS, 0, 0)
        results.add_row(
            benchmark,
            "audit",
            {
                "format": record_format,
                "code": code or "compiled",
                "cpu_us_per_event": round(each.cpu_seconds / EVENTS * 1e6, 2),
                "events_per_cpu_second": round(EVENTS / each.cpu_seconds),
                "events_per_second": round(EVENTS / each.wall_seconds),
                "resident_mib": round(each.resident_mib),
                "events": EVENTS,
            },
        )
