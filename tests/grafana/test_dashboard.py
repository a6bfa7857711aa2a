"""The dashboard: generated, by the rules of Grafana's dashboard-linter, and only of metrics that exist."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.metrics.catalogue import METRICS
from tests.grafana import dashboard
from tests.grafana.dashboard import Target, panels, targets, variables
from tests.grafana.promql import RATES, selectors, undeclared
from tests.services import ROOT

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
ROWS = (
    "The answer",
    "Source: from the hub",
    "Kafka",
    "Sink: to devices",
    "Checkpoints",
    "Processes",
    "Nodes that share a hub",
)
UNITS = {"s", "short", "cps", "bytes", "binBps", "percentunit"}
"""Those in use; all are ids of Grafana's value formats."""

each_panel = pytest.mark.parametrize("panel", [pytest.param(panel, id=panel["title"]) for panel in panels()])
each_target = pytest.mark.parametrize("target", [pytest.param(target, id=str(target)) for target in targets()])


def test_generating_it_again_changes_nothing(tmp_path: Path) -> None:
    again = tmp_path / "ingest.json"
    subprocess.run([sys.executable, "-m", "grafana.generate", str(again)], cwd=ROOT, check=True)
    assert again.read_text() == dashboard.FILE.read_text(), "run `python -m grafana.generate` and commit ingest.json"


def test_it_is_a_classic_dashboard_that_nobody_edits_in_place() -> None:
    whole = dashboard.read()
    assert (whole["schemaVersion"], whole["uid"], whole["editable"]) == (42, "ingest", False)
    assert [panel["title"] for panel in whole["panels"] if panel["type"] == "row"] == list(ROWS)
    numbers = [panel["id"] for panel in whole["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_the_data_source_is_chosen_by_the_reader() -> None:
    source = variables()["datasource"]
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")


@pytest.mark.parametrize("name", ["job", "instance"])
def test_jobs_and_instances_are_chosen_by_the_reader(name: str) -> None:
    variable = variables()[name]
    assert (variable["type"], variable["label"], variable["datasource"]) == ("query", name.title(), DATASOURCE)
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")
    assert variable["refresh"] == 2, "it reloads when the time range changes"
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
    assert match, variable["query"]
    assert match[2] == name
    assert undeclared(match[1].replace("$job", ".+")) == []


@each_panel
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == DATASOURCE
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    description = panel["description"]
    assert len(description) > 60
    assert description.endswith(".")
    assert panel["targets"]
    references = [query["refId"] for query in panel["targets"]]
    assert len(set(references)) == len(references)
    for alert in re.findall(r"Runbook: (\w+)", description):
        assert f"## {alert}\n" in (dashboard.FOLDER / "RUNBOOK.md").read_text()


def test_titles_are_distinct() -> None:
    titles = [panel["title"] for panel in panels()]
    assert len(set(titles)) == len(titles)


def test_no_panels_overlap_or_leave_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard.read()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert all(x < 24 for x, _ in cells), panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@each_target
def test_a_query_keeps_the_linter_s_rules(target: Target) -> None:
    assert target.query["datasource"] == DATASOURCE
    assert target.query["legendFormat"]
    assert not re.search(r"\[\d", target.query["expr"]), "ranges are $__rate_interval or $__range"
    for selector in selectors(target.expression):
        assert {'job=~".+"', 'instance=~".+"'} <= selector.matchers
        assert '{job=~"$job", instance=~"$instance"' in target.query["expr"]
        if selector.metric.endswith(("_total", "_bucket")):
            assert selector.within in RATES
        if selector.within in ("rate", "irate"):
            assert selector.over == timedelta(seconds=10), "$__rate_interval"


@each_target
def test_a_query_names_only_what_ingest_exports(target: Target) -> None:
    assert undeclared(target.expression) == []


@each_target
def test_a_legend_names_only_labels_that_the_query_keeps(target: Target) -> None:
    for label in re.findall(r"{{(\w+)}}", target.query["legendFormat"]):
        assert re.search(rf"by \([^)]*\b{label}\b[^)]*\)", target.expression), label


def test_every_metric_of_a_flow_is_drawn_somewhere() -> None:
    drawn = {selector.metric for target in targets() for selector in selectors(target.expression)}
    left_out = {metric.full_name for metric in METRICS if not {metric.full_name, f"{metric.full_name}_bucket"} & drawn}
    # The panels compute the age themselves: it grows also while a process says nothing.
    assert left_out == {"ingest_source_lag_seconds"}


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("ingest_source_event_total", ["series ingest_source_event_total"]),
        ('ingest_source_lag_events{slot="0"}', ["ingest_source_lag_events{slot}"]),
        ("sum by (worker) (ingest_source_lag_events)", ["label worker"]),
        ("ingest_source_lag_events * on (slot) ingest_source_lag_seconds", ["label slot"]),
        ("histogram_quantile(0.5, sum by (le) (rate(ingest_sink_send_seconds_bucket[5m])))", []),
    ],
)
def test_what_ingest_does_not_export_is_noticed(expression: str, wrong: list[str]) -> None:
    assert undeclared(expression) == wrong
