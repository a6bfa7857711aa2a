"""What the figures say of processes that are gone: real child processes of toy roles."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ingest.cli.status.table import as_lines
from ingest.config import Config, Hub, Metrics, Secret, Sink, Source
from ingest.metrics.catalogue import METRICS, PROCESS_UP, SOURCE_EVENTS
from ingest.metrics.status.rows import read, status
from ingest.process.supervised import STALE_SECONDS
from ingest.service.supervisor import Supervisor
from ingest.timing import Deadline
from tests.config.samples import EVENT_HUB, IOT_HUB
from tests.service.reloading import reload, take_over
from tests.service.toys import toy_directions

PATIENCE = 60.0
BOTH = Config(
    hub=Hub(Secret(EVENT_HUB), Secret(IOT_HUB)),
    source=Source(topic="0.1"),
    sink=Sink(processes=2, ack="full"),
    metrics=Metrics(port=0),
)
Series = dict[tuple[str, ...], float]


class Node:
    """Both directions; `source.topic` names the partitions of the hub."""

    def __init__(self, config: Config = BOTH) -> None:
        self.ahead = 0.0
        asks = dict.fromkeys(("discovery", "look_again", "trial"), "finds")
        lasts = dict.fromkeys(("source", "sink", "feedback"), "measures_everything")
        self.supervisor = Supervisor(
            config,
            roles=("source", "sink"),
            directions=toy_directions(**asks, **lasts),
            clock=lambda: time.monotonic() + self.ahead,
        )
        self.supervisor.start()
        self.ready()

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, self.supervisor.unready()
            self.supervisor.poll(0.1)

    def ready(self) -> None:
        self.until(
            lambda: any(slot.task.role == "sink" for slot in self.supervisor.slots) and self.supervisor.unready() == []
        )

    def reload(self, config: Config) -> None:
        reload(self.supervisor, config)
        self.until(lambda: bool(self.supervisor.slots) and self.supervisor.unready() == [])

    def series(self, *labels: str, kinds: tuple[str, ...] = ("counter", "gauge", "summary", "histogram")) -> Series:
        """(name, values of labels) → value, of those that have all of `labels`."""
        kind = {metric.full_name: metric.kind for metric in METRICS}
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in self.supervisor.registry.collect()
            for sample in family.samples
            if set(labels) <= set(sample.labels.values()) and kind.get(sample.name, "histogram") in kinds
        }

    def page(self) -> str:
        return self.supervisor.exposition.answer("/metrics")[2].decode()


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.supervisor.drain(0.1)
    made.supervisor.exposition.close()


def test_a_slot_that_a_reload_takes_away_is_forgotten(node: Node) -> None:
    """Its series vanish, those of the others go on; no alert and no row of the status has anything to hold on to."""
    assert node.series("sink", "1")
    assert node.series("feedback", "0")
    before = node.supervisor.registry.value(SOURCE_EVENTS, "0")
    node.reload(replace(BOTH, source=Source(topic="0"), sink=Sink(processes=1)))
    assert node.series("1") == {}, "neither partition 1 nor sink 1"
    assert node.series("feedback") == {}
    assert node.supervisor.registry.value(SOURCE_EVENTS, "0") > before
    assert node.supervisor.registry.value(PROCESS_UP, "sink", "0") == 1
    look = read(node.page(), at=1, unix=1)
    shown = status(look, look)
    assert [row.partition for row in shown.partitions] == ["0"]
    assert [(row.worker, row.up) for row in shown.workers] == [("0", True)]


def test_partitions_that_are_listed_no_longer_are_forgotten_without_asking_the_hub(node: Node) -> None:
    """It may be away."""
    reload(node.supervisor, replace(BOTH, source=Source(topic="0.1", partitions=("0",))))
    assert node.series("source", "1") == {}
    assert node.series("source", "0")["ingest_process_up", "source", "0"] == 0


def test_a_slot_that_comes_back_counts_from_zero(node: Node) -> None:
    fewer = replace(BOTH, sink=Sink(processes=1))
    node.reload(fewer)
    node.reload(replace(fewer, sink=Sink(processes=2)))
    assert node.series("sink", "1")["ingest_process_up", "sink", "1"] == 1


def test_a_direction_that_is_configured_no_longer_stops_and_is_forgotten(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.reload(replace(BOTH, hub=Hub(iot_hub_connection_string=Secret(IOT_HUB)), sink=Sink(processes=1)))
    assert {slot.task.role for slot in node.supervisor.slots} == {"sink"}
    assert not [line for line in node.page().splitlines() if line.startswith("ingest_source_events_total{")]
    assert node.series("source") == node.series("discover") == {}
    assert "only the sink is configured now" in caplog.text
    node.reload(BOTH)
    node.ready()
    assert {slot.task.role for slot in node.supervisor.slots} == {"source", "sink", "feedback"}


def test_a_direction_that_the_command_does_not_run_is_told_of(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commands = replace(BOTH, hub=Hub(iot_hub_connection_string=Secret(IOT_HUB)))
    node.supervisor.roles = ("sink",)
    take_over(node.supervisor, commands)
    node.reload(BOTH)
    assert "the source is configured now; `ingest run` takes it in at the next restart only" in caplog.text
    assert "source" not in {slot.task.role for slot in node.supervisor.slots}


@pytest.mark.parametrize(("role", "index"), [("source", "1"), ("sink", "1"), ("feedback", "0")])
def test_no_gauge_outlives_its_process_and_every_counter_does(node: Node, role: str, index: str) -> None:
    """All gauges that there are, and all that there will be."""
    registry = node.supervisor.registry
    [slot] = [slot for slot in node.supervisor.slots if (slot.task.role, slot.task.slot) == (role, index)]
    gauges = {
        key for key in registry._owned[role, index] if registry._metrics[key[0]].kind in ("gauge", "info", "summary")
    }
    counters = registry._owned[role, index] - gauges
    assert len(gauges) >= 8
    assert slot.pid is not None
    os.kill(slot.pid, signal.SIGKILL)
    node.until(lambda: not slot.alive)
    left = {(name, labels) for name, series in registry._series.items() for labels in series}
    assert registry.value(PROCESS_UP, role, index) == 0
    # The feedback process and sink 0 share the labels of some series here: those go with the last of the two.
    shared = set().union(*(owned for owner, owned in registry._owned.items() if owner != (role, index)))
    assert gauges & left - shared == {(PROCESS_UP.name, (role, index))}
    assert counters <= left
    node.ready()
    assert gauges <= {(name, labels) for name, series in registry._series.items() for labels in series}
    assert registry.value(PROCESS_UP, role, index) == 1


def test_the_status_of_a_process_that_is_down_shows_its_counters_and_no_old_gauge(node: Node) -> None:
    [slot] = [slot for slot in node.supervisor.slots if (slot.task.role, slot.task.slot) == ("source", "1")]
    assert slot.pid is not None
    os.kill(slot.pid, signal.SIGKILL)
    node.until(lambda: not slot.alive)
    look = read(node.page(), at=1, unix=1)
    up, down = status(look, look).partitions
    assert (up.up, up.lag_events, up.transport) == (True, 1, "any")
    assert (down.up, down.lag_events, down.data_age_seconds, down.replay_events, down.transport) == (
        False,
        None,
        None,
        None,
        None,
    )
    assert down.dead_letters is not None
    assert down.dead_letters > 0
    assert ("source", "1") not in status(look, look).shares
    lines = as_lines(status(look, look))
    assert any("down" in line and "-" in line for line in lines)


def test_a_process_that_hangs_is_not_up(node: Node) -> None:
    slot = node.supervisor.slots[0]
    assert slot.pid is not None
    os.kill(slot.pid, signal.SIGSTOP)
    node.ahead += STALE_SECONDS + 1
    slot._polled_at += STALE_SECONDS + 1  # it was looked at all the time
    node.supervisor.poll(0)
    assert slot.alive
    assert node.supervisor.registry.value(PROCESS_UP, slot.task.role, slot.task.slot) == 0
    assert f"{slot}: hung: no heartbeat" in node.supervisor.unready()


def test_the_discovery_leaves_no_gauge_behind(node: Node) -> None:
    assert node.series("discover", kinds=("gauge", "summary")) == {}
