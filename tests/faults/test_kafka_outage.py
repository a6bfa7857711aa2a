"""Kafka away: at the start, killed in mid-stream, and frozen. Events wait in the hub, and memory does not grow."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.emulator import Emulator
from tests.faults.conftest import basic_config
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import wait_until
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "8"))
"""How long Kafka is away in mid-stream."""
GROWTH_BYTES = 64 << 20
BODY_BYTES = 2_000
EVENTS = 25_000
"""50 MB: more than may be in memory."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    """A broker that may be killed."""
    with KafkaCluster(short_lived=True) as cluster:
        yield cluster


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1) as emulator:
        yield emulator


@pytest.fixture
def topic(cluster: KafkaCluster) -> Iterator[Topic]:
    with Topic(cluster.bootstrap) as topic:
        yield topic


@pytest.fixture
def source(tmp_path: Path, hub: Emulator, cluster: KafkaCluster, topic: Topic) -> Iterator[SourceProcess]:
    """Not started."""
    with SourceProcess(tmp_path) as source:
        basic = basic_config(tmp_path, hub.endpoints.event_hub_connection_string, cluster.bootstrap, topic.name)
        write_config(source.config, basic)
        yield source


def test_kafka_that_comes_late(cluster: KafkaCluster, source: SourceProcess, feeder: Feeder, topic: Topic) -> None:
    cluster.kill(1)
    source.start()
    feeder.send("0", 1_000)
    source.wait_unready("Connection refused|(?i:broker)")
    cluster.restart(1)
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    assert topic.repeats == 0
    source.wait_ready()


@pytest.mark.parametrize("how", ["kill -9", "frozen"])
def test_kafka_that_goes_away_in_mid_stream(
    cluster: KafkaCluster, source: SourceProcess, feeder: Feeder, topic: Topic, how: str
) -> None:
    source.start()
    feeder.send("0", 4_000, body_bytes=BODY_BYTES)
    topic.read(feeder.sent)
    before = _resident(source)
    # Some are on their way when Kafka goes; all of them would be through before it has gone.
    feeder.send("0", 1_000, body_bytes=BODY_BYTES)
    cluster.kill(1) if how == "kill -9" else cluster.pause(1)
    feeder.send("0", EVENTS, body_bytes=BODY_BYTES)
    source.wait_unready("source 0: .*Kafka")
    highest = _highest_resident(source, OUTAGE_SECONDS)
    received = source.metric("source_events_total")
    assert received < 5_000 + EVENTS, "the outage was too short to fill anything"
    assert highest - before <= GROWTH_BYTES, f"{(highest - before) / (1 << 20):.1f} MiB more than before"
    cluster.restart(1) if how == "kill -9" else cluster.resume(1)
    topic.read(feeder.sent, 120)
    topic.check(feeder.sent)
    source.wait_ready()
    assert len(source.pids("0")) == 1
    assert topic.repeats == 0
    print(f"{how}: {OUTAGE_SECONDS:g} s away, {(highest - before) / (1 << 20):.1f} MiB above {before / (1 << 20):.1f}")


def test_a_process_killed_while_kafka_is_frozen(
    cluster: KafkaCluster, source: SourceProcess, feeder: Feeder, topic: Topic
) -> None:
    """Many events are received and not acknowledged: the checkpoint must be behind them."""
    source.start()
    feeder.send("0", 500)
    topic.read(feeder.sent)
    cluster.pause(1)
    feeder.send("0", 2_000)
    source.wait_metric("source_events_total", 1_000)
    source.wait_unready("source 0: .*Kafka")
    os.kill(source.wait_pids("0", 1)[0], signal.SIGKILL)
    source.wait_said("source 0 ended: killed by SIGKILL")
    cluster.resume(1)
    topic.read(feeder.sent)
    topic.check(feeder.sent)


def _resident(source: SourceProcess) -> float:
    return source.metric("process_resident_memory_bytes", role="source", slot="0")


def _highest_resident(source: SourceProcess, seconds: float) -> float:
    """The highest value seen in so many seconds."""
    seen: list[float] = []

    def look() -> bool:
        seen.append(_resident(source))
        return False

    with pytest.raises(AssertionError, match="watched"):
        wait_until(look, "watched", seconds)
    return max(seen)
