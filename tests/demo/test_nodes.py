"""A demo with several nodes, of which one is killed."""

import json
import subprocess
import sys

import pytest

from ingest.demo.figures import Figures, PartitionFigures, WorkerFigures
from ingest.demo.nodes import merged
from ingest.demo.summary import Commands, Summary
from tests.services import ROOT

DEADLINE_SECONDS = 120


def test_figures_of_all_nodes_are_one() -> None:
    one = Figures({"0": PartitionFigures(5, 4, None, 10.0)}, {"0": WorkerFigures(3)}, restarts=1, owned=1)
    other = Figures(
        {"10": PartitionFigures(1, 1, 2.0, 5.0), "0": PartitionFigures(7, 7, 3.0, 20.0)}, {}, dead_letters=2, owned=2
    )
    found = merged([one, other])
    assert list(found.partitions) == ["0", "10"]
    assert found.partitions["0"] == PartitionFigures(12, 11, 3.0, 20.0)
    assert (found.restarts, found.dead_letters, found.owned, found.workers) == (1, 2, 3, one.workers)
    assert merged([one]) is one


def test_the_json_line_of_several_nodes() -> None:
    nothing = Commands(0, 0, 0, 0, 0, 0, 0.0, [])
    summary = Summary(9, 9, 0, 0, 0, 0, 4.5, [], nothing, nodes=3, takeover_seconds=6.12345)
    line = json.loads(summary.as_json)
    assert list(line)[-3:] == ["seconds", "nodes", "takeover_seconds"]
    assert (line["nodes"], line["takeover_seconds"]) == (3, 6.123)
    ended_before = Summary(9, 9, 0, 0, 0, 0, 4.5, [], nothing, nodes=3)
    assert json.loads(ended_before.as_json)["takeover_seconds"] is None


@pytest.mark.services
@pytest.mark.faults
def test_a_node_is_killed_and_nothing_is_missing() -> None:
    options = ["--nodes", "2", "--partitions", "4", "--seconds", "2", "--rate", "500", "--commands", "10", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "ingest", "demo", *options],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["events_sent"] > 0
    assert (last["events_missing"], last["commands_delivered"], last["nodes"]) == (0, 10, 2)
    assert 0 < last["takeover_seconds"] < DEADLINE_SECONDS
    assert "Killed one of 2 nodes" in done.stderr
