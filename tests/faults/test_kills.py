"""Processes that are killed or frozen are replaced, nobody outlives the supervisor, and no event is lost."""

import os
import signal

import pytest

from tests.faults.conftest import both_transports
from tests.faults.source_process import SourceProcess
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import gone

pytestmark = [pytest.mark.services, pytest.mark.faults]
EVENTS = 6_000
"""More than are in Kafka when the first are seen there."""
REPLACED_SECONDS = 30.0
"""The promise, not patience: a process that hangs has a successor by then."""


@both_transports
def test_kill_9_of_a_partition_process(feeder: Feeder, topic: Topic, source: SourceProcess) -> None:
    for number in (1, 2, 3):
        feeder.send("0", EVENTS)
        feeder.send("1", 500)
        topic.read_some(EVENTS * (number - 1) + 1_000)
        os.kill(source.wait_pids("0", number)[-1], signal.SIGKILL)
    source.wait_pids("0", 4)
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    assert source.metric("process_restarts_total", role="source", slot="0") == 3
    assert source.said("source 0 ended: killed by SIGKILL")
    assert len(source.pids("1")) == 1
    source.wait_ready()


def test_kill_9_of_the_supervisor(feeder: Feeder, topic: Topic, source: SourceProcess) -> None:
    """Its children end by themselves, and another start takes over from their checkpoints."""
    for partition in ("0", "1"):
        feeder.send(partition, EVENTS)
    topic.read_some(1_000)
    source.kill()
    source.start()
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    source.wait_ready()
    assert source.close() == 0


def test_kill_9_of_the_fork_server(feeder: Feeder, topic: Topic, source: SourceProcess) -> None:
    """All that is below the supervisor is killed at once, as an out-of-memory killer may do."""
    feeder.send("0", 2_000)
    topic.read_some(100)
    for pid in source.descendants():
        os.kill(pid, signal.SIGKILL)
    feeder.send("0", 2_000)
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    source.wait_ready()


def test_a_frozen_partition_process_is_replaced(feeder: Feeder, topic: Topic, source: SourceProcess) -> None:
    feeder.send("0", 2_000)
    topic.read_some(100)
    (frozen,) = source.wait_pids("0", 1)
    os.kill(frozen, signal.SIGSTOP)
    feeder.send("0", 2_000)
    source.wait_pids("0", 2, seconds=REPLACED_SECONDS)
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    assert source.said(rf"source 0 \(pid {frozen}\) has sent no heartbeat; it is replaced")
    assert gone(frozen)
    assert source.metric("process_restarts_total", role="source", slot="0") == 1
    source.wait_ready()
