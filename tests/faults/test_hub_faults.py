"""What the hub can do to a link: each event still reaches Kafka, and just once, as no process ends.

One source serves all tests of this file, each of which has a partition of its own, and with it a link, a connection
and a process of its own.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from azure.eventhub import EventHubConsumerClient

from ingest.emulator import Emulator, Faults
from tests.faults.conftest import basic_config
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import PATIENCE_SECONDS, wait_until
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
EVENTS = 3_000
Strike = Callable[[Faults, str], object]


def detach_and_refuse(faults: Faults, partition: str) -> None:
    faults.cut(700, partition=partition, how="detach")
    faults.refuse_attach(partition=partition, count=2)


def abort_and_refuse_token(faults: Faults, partition: str) -> None:
    faults.cut(700, partition=partition, how="abort")
    faults.refuse_cbs(count=1)


def abort_with_late_frames(faults: Faults, partition: str) -> None:
    faults.delay(0.3)
    faults.cut(700, partition=partition, how="abort")


CUTS: dict[str, Strike] = {
    "abort": lambda faults, partition: faults.cut(700, partition=partition, how="abort"),
    "close": lambda faults, partition: faults.cut(700, partition=partition, how="close"),
    "detach": lambda faults, partition: faults.cut(700, partition=partition, how="detach"),
    "detach, then refused attaches": detach_and_refuse,
    "abort, then a refused token": abort_and_refuse_token,
    "server busy": lambda faults, partition: faults.throttle(partition=partition, count=2),
    "late frames": abort_with_late_frames,
}


class Clock:
    """The hub's, which may be put forward."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Rig(NamedTuple):
    hub: Emulator
    clock: Clock
    source: SourceProcess
    feeder: Feeder
    topic: Topic

    def only_once(self, partition: str) -> None:
        """All that was sent is in Kafka, once and in order, and it was one process that took it there."""
        sent = {device: last for device, last in self.feeder.sent.items() if self.hub.partition_of(device) == partition}
        try:
            self.topic.read(sent)
        except AssertionError as missing:
            raise AssertionError(self.source.story(str(missing))) from None
        for device, last in sent.items():
            assert self.topic.counters[device] == list(range(1, last + 1)), f"{device}: lost, repeated or out of order"
        assert len(self.source.pids(partition)) == 1


@pytest.fixture(scope="module", params=["fast", "sdk"])
def rig(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("hub-faults")
    clock = Clock()
    with (
        Emulator(partitions=len(CUTS) + 3, clock=clock) as hub,
        Topic(kafka.bootstrap) as topic,
        SourceProcess(folder) as source,
    ):
        basic = basic_config(folder, hub.endpoints.event_hub_connection_string, kafka.bootstrap, topic.name)
        # None of these tests is to end a process.
        write_config(source.config, basic, {"source": {"stall_seconds": 30, "transport": request.param}})
        source.start()
        source.wait_ready()
        source.wait_metric("source_transport_info", len(CUTS) + 3, transport=request.param)
        yield Rig(hub, clock, source, Feeder(hub), topic)


@pytest.fixture
def partition(rig: Rig, request: pytest.FixtureRequest) -> Iterator[str]:
    """A partition that no other test uses."""
    yield str(request.param)
    rig.hub.faults.clear()
    rig.clock.ahead = 0.0


@pytest.mark.parametrize(
    ("partition", "strike"), list(enumerate(CUTS.values())), ids=list(CUTS), indirect=["partition"]
)
def test_a_link_that_is_cut(rig: Rig, partition: str, strike: Strike) -> None:
    rig.feeder.send(partition, 10)
    rig.only_once(partition)
    strike(rig.hub.faults, partition)
    rig.feeder.send(partition, EVENTS)
    rig.source.wait_metric("source_reconnects_total", 1, partition=partition)
    rig.feeder.send(partition, 10)
    rig.only_once(partition)


@pytest.mark.parametrize("partition", [len(CUTS)], indirect=True)
def test_a_link_that_is_stolen(rig: Rig, partition: str) -> None:
    """Another consumer with a higher owner level has the partition for a while, as after a failed takeover."""
    rig.feeder.send(partition, 10)
    rig.only_once(partition)
    thief = EventHubConsumerClient.from_connection_string(rig.hub.endpoints.event_hub_connection_string, "$Default")
    thread = threading.Thread(
        target=thief.receive_batch,
        args=(lambda *_: None,),
        kwargs={"partition_id": partition, "owner_level": 2**62, "starting_position": "@latest"},
    )
    with thief:
        thread.start()
        rig.source.wait_unready(f"source {partition}: hub: amqp:link:stolen: ")
        rig.feeder.send(partition, EVENTS)
    thread.join(PATIENCE_SECONDS)
    rig.only_once(partition)
    rig.source.wait_ready()


@pytest.mark.parametrize("partition", [len(CUTS) + 1], indirect=True)
def test_refused_attaches_are_told_with_their_condition(rig: Rig, partition: str) -> None:
    rig.hub.faults.refuse_attach("amqp:internal-error", "Out of order on request.", partition=partition)
    rig.hub.faults.detach(partition=partition)
    rig.source.wait_unready(f"source {partition}: hub: amqp:internal-error: Out of order on request")
    rig.feeder.send(partition, EVENTS)
    rig.hub.faults.clear()
    rig.only_once(partition)
    rig.source.wait_ready()


@pytest.mark.parametrize("partition", [len(CUTS) + 2], indirect=True)
def test_tokens_that_expire(rig: Rig, partition: str) -> None:
    """To the hub all tokens are out of date for a while; it ends links and refuses new ones."""
    rig.feeder.send(partition, 10)
    rig.only_once(partition)
    rig.clock.ahead = 7 * 86400.0
    rig.source.wait_unready(f"source {partition}: hub: .*(?i:expired)")
    wait_until(lambda: rig.hub.stats().receivers == 0, "a link outlives its token")
    rig.clock.ahead = 0.0
    # Not before: Kafka refuses records from the far future.
    rig.feeder.send(partition, EVENTS)
    rig.only_once(partition)
    rig.source.wait_ready()
