"""The supervisor while the hub is given more partitions: real child processes of toy roles, and a clock of ours."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ingest.config import Config, Hub, Latest, Metrics, Secret, Source
from ingest.metrics.catalogue import PROCESS_RESTARTS, PROCESS_UP, SOURCE_EVENTS
from ingest.process.supervised import STALE_SECONDS
from ingest.service import supervisor as module
from ingest.service.supervisor import Supervisor
from ingest.timing import Deadline
from tests.config.samples import EVENT_HUB, IOT_HUB
from tests.service.reloading import take_over
from tests.service.toys import toy_directions, use

PATIENCE = 60.0
CONFIG = Config(
    hub=Hub(Secret(EVENT_HUB)),
    source=Source(topic="0.1.2.3", start=Latest(), partitions_check_seconds=30),
    metrics=Metrics(port=0),
)


class Node:
    """Two partitions at first; `source.topic` names those that the hub has later."""

    def __init__(self, look_again: str, partition: str, config: Config) -> None:
        self.ahead = 0.0
        self.supervisor = Supervisor(
            config,
            roles=("source",),
            directions=toy_directions(discovery="answers", look_again=look_again, source=partition, sink="works"),
            clock=lambda: time.monotonic() + self.ahead,
        )
        self.supervisor.start()

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, self.supervisor.unready()
            self.supervisor.poll(0.1)

    def ready(self) -> None:
        self.until(lambda: bool(self.supervisor.slots) and self.supervisor.unready() == [])

    def ask(self) -> None:
        """Until a question to the hub is out, before its time."""
        self.supervisor._watch._next = time.monotonic()
        self.until(lambda: self.supervisor._question is not None)

    def asked(self) -> None:
        """Until a question has been answered."""
        self.ask()
        self.until(lambda: self.supervisor._question is None)

    def starts(self) -> dict[str, str]:
        """Partition → what its process says."""
        return {slot.task.slot: slot.detail for slot in self.supervisor.slots}


@pytest.fixture
def grow() -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def start(look_again: str, partition: str, config: Config = CONFIG) -> Node:
        made.append(Node(look_again, partition, config))
        made[0].ready()
        return made[0]

    yield start
    for node in made:
        node.supervisor.drain(0.1)
        node.supervisor.exposition.close()


def test_new_partitions_are_read_from_the_oldest_event_and_the_others_go_on(grow: Callable[..., Node]) -> None:
    node = grow("finds", "shows_start")
    first = {slot.task.slot: slot.pid for slot in node.supervisor.slots}
    node.asked()
    assert [slot.task.slot for slot in node.supervisor.slots] == ["0", "1", "2", "3"]
    assert node.supervisor.unready() == [
        "source 2: the hub was given this partition; it starts",
        "source 3: the hub was given this partition; it starts",
    ]
    assert node.supervisor.status.startswith("receiving 2 of 4 partitions; source 2: the hub was given")
    node.ready()
    assert node.starts() == {"0": "Latest", "1": "Latest", "2": "Earliest", "3": "Earliest"}
    assert {slot.task.slot: slot.pid for slot in node.supervisor.slots[:2]} == first
    assert node.supervisor.registry.value(PROCESS_UP, "source", "3") == 1
    node.asked()
    assert len(node.supervisor.slots) == 4


def test_a_new_partition_s_next_life_begins_at_the_oldest_event_too(grow: Callable[..., Node]) -> None:
    """It may have died before its first checkpoint."""
    node = grow("finds", "shows_start")
    node.asked()
    node.ready()
    slot = node.supervisor.slots[3]
    first = slot.pid
    slot._process.kill()  # type: ignore[union-attr]
    node.until(lambda: slot.ready and slot.pid != first)
    assert slot.detail == "Earliest"


def test_many_at_once(grow: Callable[..., Node]) -> None:
    ids = [str(number) for number in range(32)]
    node = grow("finds", "works", replace(CONFIG, source=replace(CONFIG.source, topic=".".join(ids))))
    node.asked()
    node.ready()
    assert [slot.task.slot for slot in node.supervisor.slots] == ids
    assert node.supervisor.coping


def test_a_new_partition_that_is_refused_ends_nothing_and_is_tried_again(grow: Callable[..., Node]) -> None:
    node = grow("finds", "refused_if_new")
    node.asked()
    slot = node.supervisor.slots[3]
    node.until(lambda: "the consumer group is not there yet" in slot.detail)
    node.until(lambda: node.supervisor.registry.value(PROCESS_RESTARTS, "source", "3") > 0)
    assert node.supervisor.fatal is None
    assert [slot.ready for slot in node.supervisor.slots[:2]] == [True, True]


@pytest.mark.parametrize("answer", ["finds_none", "finds_trouble"])
def test_an_answer_that_tells_nothing_changes_nothing(
    grow: Callable[..., Node], caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    node = grow(answer, "works")
    before = [slot.pid for slot in node.supervisor.slots]
    node.asked()
    node.asked()
    assert [slot.pid for slot in node.supervisor.slots] == before
    assert node.supervisor.unready() == []
    assert caplog.text.count("is not known") == 1


@pytest.mark.parametrize("question", ["hangs", "crashes", "refused"])
def test_a_question_that_fails_is_harmless(grow: Callable[..., Node], question: str) -> None:
    node = grow(question, "works")
    node.ask()
    asking = node.supervisor._question
    assert asking is not None
    if question == "hangs":
        node.until(lambda: asking.ready)
        node.ahead += STALE_SECONDS + 30
        asking._polled_at += STALE_SECONDS + 30
        # The partitions' own heartbeats are of before that leap.
        for slot in node.supervisor.slots:
            slot._late_at += STALE_SECONDS + 30
        assert asking.overdue > module.UNENDING_SECONDS
    assert node.supervisor.coping
    node.until(lambda: not asking.alive)
    node.until(lambda: asking.alive)
    assert node.supervisor.fatal is None
    assert node.supervisor.unready() == []
    assert node.supervisor.status == "receiving 2 of 2 partitions"


def test_a_drain_ends_the_question_and_starts_nothing(grow: Callable[..., Node]) -> None:
    node = grow("finds", "works")
    node.ask()
    assert node.supervisor.drain(PATIENCE)
    assert len(node.supervisor.slots) == 2
    node.ahead += 1000
    node.supervisor.poll(0)
    assert node.supervisor._question is None


@pytest.mark.parametrize("way", ["the source is gone", "the discovery takes long"])
def test_the_hub_is_not_asked_while_no_partition_is_read(grow: Callable[..., Node], way: str) -> None:
    """What it told then would be started beside the discovery, or without being asked for."""
    node = grow("finds", "works")
    use(node.supervisor.directions, "discovery", "hangs")
    source, sink = replace(CONFIG, source=replace(CONFIG.source, topic="0.1.2")), Hub(Secret(), Secret(IOT_HUB))
    if way == "the source is gone":
        node.supervisor.roles = ("source", "sink")
        take_over(node.supervisor, replace(CONFIG, hub=sink))
        node.ready()
    else:
        take_over(node.supervisor, source)
        node.until(lambda: node.supervisor.unready() == [] or "starting" not in node.supervisor.unready()[0])
    before = list(node.supervisor.slots)
    node.ahead += 31
    for slot in node.supervisor._children():
        slot._late_at += 31
    node.supervisor.poll(0)
    assert node.supervisor._question is None
    assert node.supervisor.slots == before


def test_after_a_reload_new_partitions_still_begin_at_the_oldest_event(
    grow: Callable[..., Node],
) -> None:
    """Also one that the discovery of the reload is the first to see."""
    node = grow("finds", "shows_start")
    node.asked()
    node.ready()
    use(node.supervisor.directions, "discovery", "finds")
    more = replace(CONFIG, source=replace(CONFIG.source, topic="0.1.2.3.4"))
    take_over(node.supervisor, more)
    node.ready()
    assert node.starts() == {"0": "Latest", "1": "Latest", "2": "Earliest", "3": "Earliest", "4": "Earliest"}
    assert node.supervisor.registry.value(SOURCE_EVENTS, "4") == 0
