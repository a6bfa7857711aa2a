"""The alerts: valid, each tested firing and not firing, each with its section in the runbook, only of metrics that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana.dashboard import FOLDER, panels
from tests.grafana.promql import undeclared
from tests.services import prometheus_programs

pytestmark = pytest.mark.services
RUNBOOK = (FOLDER / "RUNBOOK.md").read_text(encoding="utf-8")


def _rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def _cases() -> list[dict[str, Any]]:
    tests = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text())["tests"]
    return [case for test in tests for case in test["alert_rule_test"]]


NAMES = [rule["alert"] for rule in _rules()]
each_rule = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in _rules()])


def _promtool(*arguments: str) -> None:
    done = subprocess.run(
        [prometheus_programs.promtool(), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_fault_in_the_rules() -> None:
    _promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    _promtool("test", "rules", "alerts_test.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_is_tested_firing_and_not_firing(name: str) -> None:
    assert {bool(case["exp_alerts"]) for case in _cases() if case["alertname"] == name} == {True, False}


@each_rule
def test_an_alert_says_who_must_do_what(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Ingest([A-Z][a-z]+)+", rule["alert"])
    assert rule["for"]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"RUNBOOK.md#{rule['alert'].lower()}"


@each_rule
def test_an_alert_names_only_what_ingest_exports(rule: dict[str, Any]) -> None:
    assert undeclared(rule["expr"]) == []


def test_the_runbook_has_one_section_per_alert_in_their_order() -> None:
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do(name: str) -> None:
    section = RUNBOOK.split(f"## {name}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\*\*([\w ]+)\.\*\*", section, re.MULTILINE) == ["Means", "Look at", "Do"]


def test_panels_and_alerts_that_the_runbook_names_exist() -> None:
    assert set(re.findall(r'"([^"\n]+)"', RUNBOOK)) <= {panel["title"] for panel in panels()}
    assert set(re.findall(r"\bIngest[A-Z]\w+", RUNBOOK)) == set(NAMES)


def test_the_provisioning_finds_the_dashboard_and_the_data_source() -> None:
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/ingest.yaml").read_text())["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["uid"]) == ("prometheus", "prometheus")


def test_the_readme_s_prometheus_configuration_is_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(block)
    (tmp_path / "alerts.yaml").write_bytes((FOLDER / "alerts.yaml").read_bytes())
    _promtool("check", "config", "--lint-fatal", str(tmp_path / "prometheus.yml"))
