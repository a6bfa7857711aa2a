"""The committed dashboard, as tests look at it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.services import ROOT

FOLDER = ROOT / "grafana"
FILE = FOLDER / "ingest.json"
RATE_INTERVAL = "10s"
RANGE = "30s"


class Target(NamedTuple):
    """One query of a panel."""

    panel: str
    query: Mapping[str, Any]

    @property
    def expression(self) -> str:
        """With Grafana's variables filled in, all jobs and instances chosen."""
        text: str = self.query["expr"]
        for variable, value in {"$job": ".+", "$instance": ".+"}.items():
            text = text.replace(variable, value)
        return text.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", RANGE)

    def __str__(self) -> str:
        return f"{self.panel}, {self.query['legendFormat']}"


def read(file: Path = FILE) -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return dashboard


def panels() -> list[dict[str, Any]]:
    """Without the rows' titles."""
    return [panel for panel in read()["panels"] if panel["type"] != "row"]


def targets() -> list[Target]:
    return [Target(panel["title"], query) for panel in panels() for query in panel["targets"]]


def variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in read()["templating"]["list"]}
