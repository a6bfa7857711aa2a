"""Writes the dashboard: `python -m grafana.generate [FILE]`, by default `ingest.json` beside this file.

In Grafana's classic model, schemaVersion 42, which Grafana imports and provisions.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableRefresh, VariableSort

from grafana.panels import DATASOURCE, Panel
from grafana.rows import answer, checkpoints, cluster, kafka, processes, sink, source

ROWS = (answer, source, kafka, sink, checkpoints, processes, cluster)
FILE = Path(__file__).with_name("ingest.json")


def dashboard() -> builders.Dashboard:
    made = builders.Dashboard("Ingest: IoT Hub and Kafka").uid("ingest").tags(["ingest", "iot-hub", "kafka"]).readonly()
    made.description("How far behind, when data would be lost, what limits, what is broken.")
    made.time("now-1h", "now").refresh("10s").tooltip(DashboardCursorSync.CROSSHAIR)
    made.with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    made.with_variable(_choice("job", "label_values(ingest_build_info, job)"))
    made.with_variable(_choice("instance", 'label_values(ingest_build_info{job=~"$job"}, instance)'))
    number = 0
    for row in ROWS:
        number += 1
        made.with_row(builders.Row(row.TITLE).id(number))
        panels: tuple[Panel, ...] = row.PANELS
        for panel in panels:
            number += 1
            made.with_panel(panel.id(number))
    return made


def _choice(label: str, query: str) -> builders.QueryVariable:
    """Any number of the values of a label that Prometheus puts on every series."""
    variable = builders.QueryVariable(label).label(label.title()).datasource(DATASOURCE).query(query)
    variable.multi(True).include_all(True).all_value(".+").sort(VariableSort.ALPHABETICAL_ASC)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def main(arguments: list[str]) -> None:
    file = Path(arguments[0]) if arguments else FILE
    file.write_text(json.dumps(dashboard().build(), cls=JSONEncoder, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
