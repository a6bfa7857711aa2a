"""SIGTERM drains and repeats nothing after the next start; SIGHUP takes a new configuration when it is good."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.faults.conftest import Configure
from tests.faults.source_process import SourceProcess
from tests.faults.telemetry import Feeder, Topic
from tests.services import ROOT

pytestmark = [pytest.mark.services, pytest.mark.faults]
EVENTS = 6_000
"""More than are in Kafka when the first are seen there."""
FEW_EVENTS = 100


def checkpoints(config: Path) -> dict[str, int]:
    """Partition → sequence number, as `ingest checkpoints show` tells."""
    command = [sys.executable, "-m", "ingest", "checkpoints", "show", "--json", "-c", str(config)]
    shown = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, timeout=60)
    return {each["partition"]: each["sequenceNumber"] for each in orjson.loads(shown.stdout)}


def test_sigterm_drains_and_the_next_start_repeats_nothing(feeder: Feeder, topic: Topic, configure: Configure) -> None:
    # No checkpoint but the last one comes in time.
    source = configure({"checkpoints": {"interval_seconds": 3600}})
    for _ in range(2):
        source.start()
        source.wait_ready()
        topic.poll(1.0)
        before = topic.distinct
        feeder.send("0", EVENTS)
        feeder.send("1", EVENTS)
        topic.read_some(before + 1_000)
        assert source.close() == 0
    saved = checkpoints(source.config)
    source.start()
    source.wait_ready()
    # Repeats would come before these, also when nothing is left of what was sent.
    feeder.send("0", FEW_EVENTS)
    feeder.send("1", FEW_EVENTS)
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    assert topic.repeats == 0, "what was acknowledged was not in the checkpoint"
    assert source.close() == 0
    last = checkpoints(source.config)
    assert saved.keys() == last.keys() == {"0", "1"}
    assert last == dict.fromkeys(("0", "1"), 2 * EVENTS + FEW_EVENTS - 1)


def test_sigterm_to_one_partition_process(feeder: Feeder, topic: Topic, source: SourceProcess) -> None:
    """It drains as well, and another one takes its place."""
    feeder.send("0", EVENTS)
    topic.read_some(1_000)
    os.kill(source.wait_pids("0", 1)[0], signal.SIGTERM)
    source.wait_pids("0", 2)
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    assert topic.repeats == 0


def test_sighup(feeder: Feeder, topic: Topic, source: SourceProcess) -> None:
    feeder.send("0", 100)
    topic.read(feeder.sent)
    good = source.config.read_text()
    (first,) = source.wait_pids("0", 1)

    source.config.write_text(good.replace("interval_seconds", "interval_second"))
    source.send_signal(signal.SIGHUP)
    source.wait_said("SIGHUP: the new configuration is wrong, going on with the old one: .*did you mean")
    feeder.send("0", 100)
    topic.read(feeder.sent)
    assert source.pids("0") == [first]

    source.config.write_text(good)
    source.send_signal(signal.SIGHUP)
    source.wait_said("SIGHUP: the configuration has not changed")
    assert source.pids("0") == [first]

    source.config.write_text(good.replace("stall_seconds = 5", "stall_seconds = 6"))
    source.send_signal(signal.SIGHUP)
    source.wait_said("SIGHUP: the configuration is good; the source starts again with it")
    source.wait_pids("0", 2)
    feeder.send("0", 100)
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    assert topic.repeats == 0
    source.wait_ready()
