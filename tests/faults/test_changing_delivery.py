"""`source.delivery` is changed and changed back: nothing is lost, and no more is repeated than came after the last checkpoint."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Configure
from tests.faults.source_process import SourceProcess
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import wait_until
from tests.services import ROOT

pytestmark = [pytest.mark.services, pytest.mark.faults]
EVENTS = 1_000


def killed(source: SourceProcess) -> None:
    source.kill()


def stopped(source: SourceProcess) -> None:
    assert source.close() == 0


LIVES: list[tuple[str, Callable[[SourceProcess], None], int]] = [
    ("at_least_once", killed, EVENTS),
    ("exactly_once", killed, EVENTS),
    ("at_least_once", stopped, 0),
    ("exactly_once", stopped, 0),
    ("at_least_once", stopped, 0),
]
"""Mode, end, and how many events came after the last checkpoint. Each change is made twice: what the mode left behind the first
time is old by then."""


def test_both_ways_and_back(feeder: Feeder, topic: Topic, configure: Configure, tmp_path: Path) -> None:
    """Of the events of each life the first half is covered by a checkpoint."""
    allowed = 0
    for mode, end, after_checkpoint in LIVES:
        positions = {"delivery": mode, "position_topic": f"{topic.name}.positions"}
        # The second half comes in less time than the interval, which would cover it, too.
        source = configure({"source": {"partitions": ["0"], **positions}, "checkpoints": {"interval_seconds": 2}})
        if mode == "exactly_once":
            command = [sys.executable, "-m", "ingest", "topics", "create", "-c", str(source.config)]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        source.start()
        for half in (1, 2):
            feeder.send("0", EVENTS)
            try:
                topic.read(feeder.sent)
            except AssertionError as missing:
                raise AssertionError(source.story(f"{mode}: {missing}")) from None
            if half == 1:
                wait_until(lambda: _saved(tmp_path) == sum(feeder.sent.values()) - 1, "no checkpoint is saved")
        end(source)
        topic.check(feeder.sent)
        assert topic.repeats <= allowed, f"{mode} has repeated more than came after the last checkpoint"
        allowed += after_checkpoint
    topic.poll(0.5)
    assert topic.repeats <= allowed


def _saved(folder: Path) -> int:
    """The sequence number in the checkpoint."""
    return max((json.loads(path.read_bytes())["sequence_number"] for path in folder.rglob("0.json")), default=-1)
