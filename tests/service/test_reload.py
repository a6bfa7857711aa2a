"""A reload changes processes only when the services take the new configuration."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.config import Checkpoints, Config, Hub, Kafka, Metrics, Secret, Sink, Source
from ingest.config.sections import KEYS, with_section
from ingest.errors import ConfigError, Problem
from ingest.service import reload as reloading
from ingest.service.reload import Reload
from ingest.service.roles import all_directions, changed_directions
from ingest.service.supervisor import Supervisor
from ingest.service.systemd import Notifier
from ingest.timing import Deadline
from tests.config.samples import EVENT_HUB, IOT_HUB
from tests.service.toys import toy_directions, use
from tests.systemd.notify_socket import NotifySocket

PATIENCE = 60.0


def config_of(topic: str) -> Config:
    return Config(hub=Hub(Secret(EVENT_HUB)), metrics=Metrics(port=0), source=Source(topic=topic))


class Node:
    """A service of one partition, and the loop around it."""

    def __init__(self, systemd: NotifySocket) -> None:
        self.systemd = systemd
        self.supervisor = Supervisor(
            config_of("first"),
            roles=("source",),
            directions=toy_directions(discovery="asks_by_topic", source="reads_by_topic"),
            notifier=Notifier({"NOTIFY_SOCKET": systemd.address}),
        )
        self.answers: list[Config | Exception] = []
        self.reload = Reload(self.supervisor, self._load)
        self.supervisor.start()
        self.until(lambda: self.detail == "first")
        self.pid = self.supervisor.slots[0].pid
        systemd.wait("READY=1")

    def _load(self) -> Config:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def detail(self) -> str:
        return self.supervisor.slots[0].detail if self.supervisor.slots else ""

    def turn(self) -> None:
        self.supervisor.poll(0.05)
        assert self.supervisor.fatal is None or self.reload.go_back()
        self.reload.poll()

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, (self.supervisor.status, self.supervisor.note)
            self.turn()

    def ask_for(self, *answers: Config | Exception) -> None:
        self.systemd.take()
        self.answers = list(answers)
        self.reload.ask()

    def refused(self) -> str:
        """Until a reload is refused; the note. The old one goes on as it was, and everybody is told."""
        self.until(lambda: self.supervisor.note is not None)
        self.turn()
        assert self.supervisor.trials == []
        note = str(self.supervisor.note)
        assert self.supervisor.exposition.answer("/readyz")[0::2] == (200, f"ok\n{note}\n".encode())
        assert self.supervisor.status == f"receiving 1 of 1 partitions; {note}"
        said = self.systemd.take()
        assert said.index(f"STATUS={self.supervisor.status}") < said.index("READY=1")
        return note


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with NotifySocket(tmp_path) as systemd:
        made = Node(systemd)
        yield made
        made.supervisor.drain(PATIENCE)
        made.supervisor.exposition.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (config_of("refused"), "trial source: hub h: amqp:unauthorized-access: wrong key"),
        (config_of("broken"), "trial source: RuntimeError: boom"),
        (config_of("silent"), "no answer within 1 s: trial source: no answer from hub h"),
        (ConfigError([Problem("source.topic", "?", "not legal")]), "source.topic = ?: not legal"),
        (OSError(5, "Input/output error"), "OSError: [Errno 5] Input/output error"),
    ],
    ids=["refused", "crash", "silent", "wrong", "unreadable"],
)
def test_what_is_refused_changes_nothing_and_says_why(
    node: Node, monkeypatch: pytest.MonkeyPatch, answer: Config | Exception, why: str
) -> None:
    if why.startswith("no answer"):
        monkeypatch.setattr(reloading, "TRY_SECONDS", 1)
    node.ask_for(answer)
    assert node.refused() == f"reload refused: {why}"
    assert node.supervisor.slots[0].pid == node.pid
    assert node.supervisor.config == config_of("first")
    node.ask_for(config_of("first"))
    node.until(lambda: node.supervisor.note is None)
    assert node.supervisor.slots[0].pid == node.pid, "what is in force again needs no restart"


def test_the_old_one_works_while_the_new_one_is_tried_and_ends_only_then(node: Node) -> None:
    node.ask_for(config_of("silent"))
    node.until(lambda: any(slot.detail == "no answer from hub h" for slot in node.supervisor.trials))
    assert node.detail == "first"
    assert node.supervisor.unready() == []
    assert "READY=1" not in node.systemd.take(), "the reload is not over"
    # What comes meanwhile takes its place, however often.
    node.answers = [config_of("second")]
    for _ in range(5):
        node.reload.ask()
    node.until(lambda: node.detail == "second")
    assert node.answers == []
    node.until(lambda: "READY=1" in node.systemd.said)
    assert node.supervisor.note is None


def test_what_is_refused_after_all_is_undone(node: Node) -> None:
    """By something that only the work itself tries."""
    node.ask_for(config_of("refused later"))
    node.until(lambda: node.supervisor.note is not None)
    node.until(lambda: node.detail == "first")
    assert node.refused() == "reload refused: amqp:not-found: no such consumer group"
    assert node.supervisor.config == config_of("first")


def test_one_that_is_asked_for_while_the_old_one_drains_comes_after(node: Node) -> None:
    node.ask_for(config_of("second"), config_of("third"))
    node.until(lambda: not node.answers or node.supervisor.status.startswith("draining"))
    node.reload.ask()
    node.until(lambda: node.detail == "third")
    assert node.supervisor.unready() == []


def test_going_back_never_ends_the_service(node: Node) -> None:
    """Even when the services refuse the old one by now."""
    use(node.supervisor.directions, "source", "refused")
    node.ask_for(config_of("second"))
    node.until(lambda: node.supervisor.note is not None)
    node.until(lambda: node.supervisor.config == config_of("first"))
    node.until(lambda: node.supervisor.unready() == ["source 0: amqp:not-found: no such hub"])
    assert node.supervisor.fatal is None


def both(**sections: object) -> Config:
    hub = Hub(Secret(EVENT_HUB), Secret(IOT_HUB))
    return replace(
        Config(hub=hub, metrics=Metrics(port=0), source=Source(topic="first"), sink=Sink(processes=1)),
        **sections,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("changed", "restarted"),
    [
        ({"sink": Sink(processes=1, units=2)}, {"sink"}),
        ({"source": Source(topic="second")}, {"source"}),
        ({"kafka": Kafka("127.0.0.1:1")}, {"source", "sink"}),
        ({"metrics": Metrics(port=0, host="127.0.0.2")}, set()),
        ({"hub": Hub(Secret(EVENT_HUB), Secret(IOT_HUB.replace("czNj", "czNk")))}, {"sink"}),
    ],
    ids=["sink", "source", "kafka", "metrics", "key"],
)
def test_only_what_reads_a_changed_key_starts_again(changed: dict[str, object], restarted: set[str]) -> None:
    directions = toy_directions(discovery="asks_by_topic", trial="answers", source="reads_by_topic", sink="works")
    supervisor = Supervisor(both(), roles=("source", "sink"), directions=directions)
    config = both(**changed)
    asked, deadline = Reload(supervisor, lambda: config), Deadline(PATIENCE)

    def until(reached: Callable[[], bool]) -> None:
        while not reached():
            assert not deadline.expired, (supervisor.status, supervisor.note)
            supervisor.poll(0.05)
            asked.poll()

    def pids() -> dict[str, int | None]:
        return {slot.task.role: slot.pid for slot in supervisor.slots}

    supervisor.start()
    try:
        until(lambda: len(supervisor.slots) == 2 and not supervisor.unready())
        before = pids()
        asked.ask()
        until(lambda: not supervisor.reloading and len(supervisor.slots) == 2 and not supervisor.unready())
        after = pids()
        assert supervisor.note is None
        assert supervisor.config == config
        assert {role for role, pid in before.items() if after[role] != pid} == restarted
    finally:
        supervisor.drain(PATIENCE)
        supervisor.exposition.close()
    assert not any(slot.alive for slot in supervisor.slots)


def test_every_key_is_read_by_a_direction_or_by_the_service_itself() -> None:
    """A new key that nobody has thought of restarts both."""
    directions, config = all_directions(), Config()
    names = (*directions,)
    for section, keys in KEYS.items():
        for name in keys:
            changed = with_section(config, section, {name: object()})
            found = changed_directions(directions, (config, names), (changed, names))
            own = {"source": {"source"}, "checkpoints": {"source"}, "sink": {"sink"}, "metrics": set()}
            source = {
                key: {"source"} for key in ("event_hub_connection_string", "event_hub_namespace", "event_hub_name")
            }
            places = source | {key: {"sink"} for key in ("iot_hub_connection_string", "iot_hub_host")}
            assert found == (places.get(name) or own.get(section, {*names})), (section, name)


def test_the_iot_hub_s_string_restarts_the_source_too_where_it_alone_names_the_hub() -> None:
    directions, names = all_directions(), ("source", "sink")
    text = "HostName=h;SharedAccessKeyName=service;SharedAccessKey="
    alone = Config(hub=Hub(iot_hub_connection_string=Secret(f"{text}a2V5")), checkpoints=Checkpoints(store="file"))
    other = replace(alone, hub=Hub(iot_hub_connection_string=Secret(f"{text}bmV3")))
    assert changed_directions(directions, (alone, names), (other, names)) == {"source", "sink"}
    placeless = (replace(alone, checkpoints=Checkpoints()), replace(other, checkpoints=Checkpoints()))
    assert changed_directions(directions, *((each, names) for each in placeless)) == {"sink"}
