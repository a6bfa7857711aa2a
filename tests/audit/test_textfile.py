"""The result of an audit as a collector of files reads it."""

import stat
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.audit.numbers import NONE, listed
from ingest.audit.plan import Plan
from ingest.audit.report import Line, Report
from ingest.audit.textfile import page, write
from ingest.audit.verdict import Verdict
from ingest.errors import IngestError
from ingest.metrics.audits import AUDIT_METRICS

VERDICTS = (
    Verdict(
        "0",
        10,
        19,
        "topic",
        "hub",
        8,
        listed([(11, 12)], 9),
        3,
        NONE,
        1,
        2,
        compared=6,
        differing=listed([(14, 14)], 9),
    ),
    Verdict("1"),
)


def test_every_metric_is_there_with_its_value() -> None:
    report = Report(Plan("iotin", 0, 86_400_000), [Line(each, None, 0) for each in VERDICTS], [])
    families = {each.name: each for each in text_string_to_metric_families(page(report, 'plant"1', 100_000.5))}
    assert families.keys() == {metric.full_name for metric in AUDIT_METRICS}
    values = {
        (family.name.removeprefix("ingest_audit_"), sample.labels.get("partition")): sample.value
        for family in families.values()
        for sample in family.samples
        if sample.labels["name"] == 'plant"1'
    }
    wanted: dict[tuple[str, str | None], float] = {
        ("present_events", "0"): 8,
        ("missing_events", "0"): 2,
        ("repeated_events", "0"): 3,
        ("out_of_order_events", "0"): 1,
        ("differing_events", "0"): 1,
        ("dead_letters", "0"): 2,
        ("uncertain", "0"): 0,
        ("uncertain", "1"): 1,
        ("end_timestamp_seconds", None): 86_400,
        ("timestamp_seconds", None): 100_000.5,
    }
    names = ("present_events", "missing_events", "repeated_events", "out_of_order_events", "dead_letters")
    assert values == wanted | {(name, "1"): 0 for name in names}


def test_the_file_is_replaced_at_once_and_can_be_read_by_others(tmp_path: Path) -> None:
    file = tmp_path / "here" / "audit.prom"
    for text in ("one\n", "two\n"):
        write(file, text)
        assert file.read_text() == text
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(IngestError, match="cannot be written: File exists"):
        write(file / "below", "text\n")
