"""`ingest status` beside a real `ingest run`, with the hub's limit on commands as what holds it up."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import EXIT_OK
from tests.faults.sink_rig import SinkRig
from tests.faults.telemetry import Feeder
from tests.faults.waiting import wait_until
from tests.services import ROOT
from tests.services.kafka import KafkaCluster

pytestmark = pytest.mark.services
EVENTS = 500


def test_the_status_of_a_loaded_node_is_true(kafka: KafkaCluster, tmp_path: Path) -> None:
    slow = {"sink": {"sends_per_second": 1, "processes": 1}, "checkpoints": {"interval_seconds": 1}}
    with SinkRig(tmp_path, kafka.bootstrap, slow, command="run") as rig:
        rig.sink.start()
        rig.sink.wait_ready()
        feeder = Feeder(rig.hub)
        for partition in ("0", "1"):
            feeder.send(partition, EVENTS)
        rig.topics.send(["dev-0", "dev-1"], 100)
        url = rig.sink.wait_said(r"(http://\S+)/metrics")[1]

        def settled() -> dict[str, Any] | None:
            shown = status(url)
            partitions = shown["partitions"]
            all_safe = all(row["replay_events"] == 0 and row["lag_events"] == 0 for row in partitions)
            return shown if all_safe and "commands: the hub's limit" in shown["limited_by"] else None

        for partition in ("0", "1"):
            rig.sink.wait_metric("source_records_acked_total", EVENTS, partition=partition)
        shown = wait_until(settled, lambda: f"the status is {status(url)}") or {}
        assert [(row["partition"], row["up"]) for row in shown["partitions"]] == [("0", True), ("1", True)]
        assert all(row["seconds_until_data_loss"] is None for row in shown["partitions"]), "caught up"
        assert all(row["checkpoint_age_seconds"] < row["data_age_seconds"] + 1 for row in shown["partitions"])
        assert shown["rate_limit_per_second"] == pytest.approx(0.995)
        (worker,) = shown["workers"]
        assert worker["lag_records"] > 0
        assert shown["unready"] == []

        def sampled() -> dict[str, Any] | None:
            for partition in ("0", "1"):
                feeder.send(partition, 1)
            found = document(url)
            return found if any(found["history"]["source_events_per_second"]) else None

        told = wait_until(sampled, lambda: f"the document is {document(url)}") or {}
        name = rig.topics.name
        assert (told["state"], told["source"]["topic"], told["sink"]["topics"]) == (
            "ready",
            f"{name}.telemetry",
            [name],
        )
        assert [(row["partition"], row["up"]) for row in told["partitions"]] == [("0", True), ("1", True)]
        assert told["rate_limit_per_second"] == pytest.approx(0.995)


def document(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/status.json", timeout=60) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def status(url: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "ingest", "status", "--once", "--json", "--interval", "0.5", "--url", url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_OK, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown
