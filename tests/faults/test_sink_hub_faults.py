"""What the hub can do to commands and links: each command still reaches its device, in order, and none is given up.

One sink serves all tests of this file, each of which has devices of its own.
"""

import re
from collections.abc import Callable, Iterator

import pytest

from ingest.emulator.control.send_faults import SendFaults
from tests.faults.commands import header
from tests.faults.sink_rig import SinkRig
from tests.faults.waiting import wait_until
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
EACH = 10
QUEUE = 50
"""Messages that the hub holds for one device."""
REFUSAL = "com.microsoft:device-container-throttled"
Strike = Callable[[SendFaults], object]


@pytest.fixture(scope="module")
def rig(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SinkRig]:
    folder = tmp_path_factory.mktemp("sink-hub-faults")
    with SinkRig(folder, kafka.bootstrap, {"sink": {"max_wait_seconds": 4}}) as rig:
        rig.sink.start()
        rig.sink.wait_ready()
        rig.wait_shared()
        yield rig


@pytest.fixture
def devices(rig: SinkRig, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Ids of devices that no other test uses."""
    before = rig.topics.dead_letters()
    name = re.sub(r"\W", "-", request.node.name)
    yield [f"{name}-{number}" for number in range(20)]
    rig.hub.faults.clear()
    rig.hub.c2d.auto_complete()
    rig.topics.wait_no_lag()
    dead = rig.topics.dead_letters() - before
    assert dead == (5 if "never_takes" in request.node.name else 0), f"{dead} commands were given up"


@pytest.mark.parametrize(
    "strike",
    [
        lambda sends: sends.reject_send(REFUSAL, count=15),
        lambda sends: sends.reject_send("com.microsoft:server-busy", count=15),
        lambda sends: sends.reject_send("com.microsoft:timeout", count=15),
        lambda sends: sends.reject_send("amqp:internal-error", count=15),
        lambda sends: sends.release_send(count=15),
    ],
    ids=["throttled", "server busy", "timeout", "unknown condition", "released"],
)
def test_commands_that_the_hub_does_not_take_at_once(rig: SinkRig, devices: list[str], strike: Strike) -> None:
    retried = rig.sink.metric("sink_commands_total", outcome="retried")
    strike(rig.hub.faults.sends)
    rig.topics.send(devices, EACH)
    rig.wait_once(devices)
    rig.sink.wait_metric("sink_commands_total", retried + 15, outcome="retried")
    rig.sink.wait_ready()


@pytest.mark.parametrize("how", ["abort", "close", "detach"])
def test_a_link_that_is_cut(rig: SinkRig, devices: list[str], how: str) -> None:
    attaches = rig.hub.stats().c2d.service_link_attaches
    rig.hub.faults.sends.cut_service_link(40, how=how, times=3)
    rig.topics.send(devices, EACH)
    rig.wait_received(devices)
    rig.sink.wait_ready()
    assert rig.hub.stats().c2d.service_link_attaches >= attaches + 3


def test_answers_that_are_lost_with_their_link(rig: SinkRig, devices: list[str]) -> None:
    """The devices have these commands; they get them again under the same message id."""
    lost = rig.hub.stats().c2d.unanswered
    possible = rig.sink.metric("sink_commands_total", outcome="possible_repeat")
    rig.hub.faults.sends.lose_disposition(count=15)
    rig.topics.send(devices, EACH)
    rig.hub.wait_for(lambda stats: stats.c2d.unanswered == lost + 15, 60)
    rig.hub.faults.sends.abort_service_connections()
    assert rig.wait_received(devices).only(devices).repeats >= 15
    rig.sink.wait_metric("sink_commands_total", possible + 15, outcome="possible_repeat")
    rig.sink.wait_ready()


def test_a_device_that_never_takes_its_commands(rig: SinkRig, devices: list[str]) -> None:
    """Its queue in the hub is full: it waits for `max_wait_seconds`, is given up, and holds back no other device."""
    stuck, *others = devices
    rig.hub.c2d.auto_complete(others)
    letters, refused = rig.topics.dead_letters(), refusals(rig)
    rig.topics.send([stuck], QUEUE + 5)
    wait_until(lambda: refusals(rig) > refused, "no queue is full")
    rig.topics.send(others, EACH)
    rig.wait_received(others)
    assert rig.topics.dead_letters() == letters, "others had to wait for the stuck device"
    dead = rig.topics.dead.read_raw(letters + 5)[letters:]
    assert [header(letter, "ingest-reason") for letter in dead] == ["device_queue_full"] * 5
    assert all(letter.key() == stuck.encode() for letter in dead)
    assert len({letter.value() for letter in dead}) == 5
    rig.hub.c2d.auto_complete()
    assert rig.received().counters[stuck] == list(range(1, QUEUE + 1))


def test_a_device_that_is_slow_to_take_its_commands(rig: SinkRig, devices: list[str]) -> None:
    slow, *others = devices
    rig.hub.c2d.auto_complete(others)
    refused = refusals(rig)
    rig.topics.send([slow], QUEUE + 20)
    wait_until(lambda: refusals(rig) > refused, "no queue is full")
    rig.hub.c2d.auto_complete()
    rig.wait_once([slow])


def refusals(rig: SinkRig) -> int:
    """Commands that the hub has refused because their device's queue is full."""
    return rig.hub.stats().c2d.rejected.get("amqp:resource-limit-exceeded", 0)
