"""The generated pages are in step with the program, and complete."""

import re

import pytest

from ingest.config.rendering import shown_value
from ingest.config.sections import KEYS
from ingest.metrics.audits import AUDIT_METRICS
from ingest.metrics.catalogue import METRICS
from tests.docs.references import COMMAND, PAGES
from tests.services import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_the_generated_one(name: str) -> None:
    committed = (ROOT / name).read_text(encoding="utf-8")
    assert committed == PAGES[name](), f"{COMMAND} writes it again"
    assert f"`{COMMAND}`" in committed, "the page says so"


def rows(name: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = PAGES[name]().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [re.split(r" (?<!\\)\| ", line.strip("| \n")) for line in re.findall(r"^\| `.*$", section, re.MULTILINE)]


@pytest.mark.parametrize("section", KEYS)
def test_every_key_has_its_row(section: str) -> None:
    found = rows("docs/configuration.md", f"[{section}]")
    assert [cells[0] for cells in found] == [f"`{key}`" for key in KEYS[section]]
    assert all(len(cells) == 4 and all(cells) for cells in found)


def test_a_row_of_a_key() -> None:
    (tier,) = [cells for cells in rows("docs/configuration.md", "[sink]") if cells[0] == "`tier`"]
    assert tier[1:3] == ['one of `"F1"`, `"S1"`, `"S2"`, `"S3"`', "`" + shown_value("S1") + "`"]
    (interval,) = [c for c in rows("docs/configuration.md", "[checkpoints]") if c[0] == "`interval_seconds`"]
    assert interval[1:3] == ["number, 0.1 to 3600", "`5.0`"]


def test_no_secret_is_shown_as_a_default() -> None:
    secrets = [
        cells for section in KEYS for cells in rows("docs/configuration.md", f"[{section}]") if "secret" in cells
    ]
    assert len(secrets) >= 3
    assert {cells[2] for cells in secrets} == {"none"}


def test_every_metric_has_its_row() -> None:
    found = {
        cells[0]: cells
        for heading in re.findall(r"^## (.*)$", PAGES["docs/metrics.md"](), re.MULTILINE)
        for cells in rows("docs/metrics.md", heading)
    }
    assert set(found) == {f"`{metric.full_name}`" for metric in (*METRICS, *AUDIT_METRICS)}
    for metric in METRICS:
        _, kind, labels, told = found[f"`{metric.full_name}`"]
        assert kind == metric.type
        assert re.findall(r"`(\w+)`", labels) == list(metric.labels)
        assert metric.meaning in told
        assert metric.action in told
        assert all(f"`{value}`" in told for value in metric.known)
