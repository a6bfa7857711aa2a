"""One thread fetches the tokens of the node, and every child has them; whatever the token endpoint does, no child is replaced."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.config import Config, Hub, Identity, Metrics
from ingest.errors import Refused, Unreachable
from ingest.hub.auth.contract import EVENT_HUBS, IOT_HUB, Held, Service
from ingest.hub.auth.held import Fetch, News
from ingest.hub.auth.renewal import SILENT_SECONDS
from ingest.metrics.catalogue import PROCESS_RESTARTS, TOKEN_EXPIRY, TOKEN_FAILING, TOKEN_FAILURES
from ingest.metrics.registry import Registry
from ingest.process import supervised
from ingest.service import token_supply
from ingest.service.supervisor import Supervisor
from ingest.service.token_supply import TokenSupply
from ingest.timing import Deadline
from tests.service.toys import toy_directions

PATIENCE = 60.0
LIFE = 3.0
SERVICE = "event_hubs"
CONFIG = Config(
    metrics=Metrics(port=0),
    hub=Hub(event_hub_namespace="mine.servicebus.windows.net", event_hub_name="telemetry"),
    identity=Identity(auth="managed_identity"),
)


class Endpoint:
    """Gives tokens that begin with a letter, the next one each time it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[str] = set()
        self.letter = "a"
        self.error: Exception | None = None
        self.life = LIFE

    def fetcher(self, config: Config) -> Fetch:
        def fetch(service: Service) -> Held:
            self.asked.append(service.name)
            self.threads.add(threading.current_thread().name)
            if self.error is not None:
                raise self.error
            return Held(f"{self.letter}{len(self.asked)}", time.time() + self.life)

        return fetch


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def supervise(endpoint: Endpoint) -> Iterator[Callable[[str], Supervisor]]:
    made: list[Supervisor] = []

    def start(child: str) -> Supervisor:
        supervisor = Supervisor(CONFIG, roles=("source",), directions=toy_directions(discovery="answers", source=child))
        supervisor.tokens = TokenSupply(supervisor.registry, fetcher=endpoint.fetcher)
        made.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in made:
        supervisor.tokens.close()
        supervisor.drain(0.1)
        supervisor.exposition.close()


def until(supervisor: Supervisor, reached: Callable[[], bool]) -> None:
    deadline = Deadline(PATIENCE)
    while not reached():
        assert not deadline.expired, (supervisor.unready(), supervisor.notes)
        supervisor.poll(0.05)


def says(supervisor: Supervisor, words: str) -> bool:
    """Whether both partitions do."""
    return len(supervisor.slots) == 2 and all(words in slot.detail for slot in supervisor.slots)


def test_tokens_are_renewed_for_all_children_and_an_outage_of_the_endpoint_replaces_none(
    supervise: Callable[[str], Supervisor], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "STALE_SECONDS", LIFE)
    supervisor = supervise("shows_token")
    until(supervisor, lambda: says(supervisor, "holds a"))
    pids = [slot.pid for slot in supervisor.slots]
    assert endpoint.threads == {"tokens"}
    assert len(endpoint.asked) == 1, "one request for the node"
    assert supervisor.unready() == []
    assert (supervisor.notes, supervisor.registry.value(TOKEN_FAILURES, SERVICE)) == (None, 0)
    endpoint.letter = "b"
    until(supervisor, lambda: says(supervisor, "holds b"))
    assert supervisor.registry.value(TOKEN_EXPIRY, SERVICE) > time.time()

    endpoint.error = Unreachable("the token endpoint answers 500")
    until(supervisor, lambda: supervisor.registry.value(TOKEN_FAILING, SERVICE) == 1)
    assert supervisor.unready() == [], "the last token holds"
    assert supervisor.registry.value(TOKEN_FAILURES, SERVICE) >= 1
    note = supervisor.notes or ""
    assert "the token for Event Hubs is not renewed, and holds" in note
    assert "the token endpoint answers 500" in note
    assert note in supervisor.status
    assert note.encode() in supervisor.exposition.answer("/readyz")[2]

    until(supervisor, lambda: says(supervisor, "ran out"))
    assert all("the token endpoint answers 500" in reason for reason in supervisor.unready())
    assert supervisor.notes is None, "the children say it now"
    dead = Deadline(1.5 * LIFE)
    until(supervisor, lambda: dead.expired)

    endpoint.error, endpoint.letter, endpoint.life = None, "c", 600
    until(supervisor, lambda: says(supervisor, "holds c"))
    assert supervisor.registry.value(TOKEN_FAILING, SERVICE) == 0
    assert [slot.pid for slot in supervisor.slots] == pids
    assert [supervisor.registry.value(PROCESS_RESTARTS, "source", each) for each in "01"] == [0, 0]
    assert supervisor.drain(PATIENCE)


def test_an_identity_that_the_endpoint_refuses_ends_the_start(
    supervise: Callable[[str], Supervisor], endpoint: Endpoint
) -> None:
    endpoint.error = Refused("the token endpoint refuses the identity (AADSTS700016): correct identity.client_id")
    supervisor = supervise("refused_without_token")
    until(supervisor, lambda: supervisor.fatal is not None)
    assert supervisor.fatal is not None
    assert supervisor.fatal[0] == 69
    assert "AADSTS700016" in supervisor.fatal[1]


def test_a_child_that_is_replaced_gets_the_token_that_is_held(
    supervise: Callable[[str], Supervisor], endpoint: Endpoint
) -> None:
    endpoint.life = 600
    supervisor = supervise("shows_token")
    until(supervisor, lambda: says(supervisor, "holds a"))
    pid = supervisor.slots[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(supervisor, lambda: supervisor.slots[0].pid not in (pid, None) and says(supervisor, "holds a"))
    assert len(endpoint.asked) == 1


def test_a_token_is_nowhere_but_in_memory(supervise: Callable[[str], Supervisor], endpoint: Endpoint) -> None:
    endpoint.letter, endpoint.life = "Zsecret", 600
    supervisor = supervise("shows_token")
    until(supervisor, lambda: says(supervisor, "holds Z"))
    for slot in supervisor.slots:
        for file in ("cmdline", "environ"):
            assert b"Zsecret" not in Path(f"/proc/{slot.pid}/{file}").read_bytes()
        assert "Zsecret" not in repr(slot.task)
    assert "Zsecret" not in repr(vars(supervisor.tokens))
    assert b"Zsecret" not in supervisor.exposition.answer("/metrics")[2]


class Slot:
    """A process that reads what it is told, or does not."""

    def __init__(self, config: Config, pid: int | None = 1) -> None:
        self.config = config
        self.pid = pid
        self.reads = True
        self.told: list[object] = []

    def tell(self, entry: str, news: object) -> bool:
        if self.reads:
            self.told.append(news)
        return self.reads

    def knows(self, service: Service) -> News:
        """What it was told last."""
        for news in reversed(self.told):
            if isinstance(news, dict) and service.name in news:
                found = news[service.name]
                assert isinstance(found, News)
                return found
        return News(None)


def test_nothing_is_fetched_for_a_configuration_with_keys(endpoint: Endpoint) -> None:
    supply = TokenSupply(Registry(), fetcher=endpoint.fetcher)
    for _ in range(3):
        supply.serve([Slot(Config())])
    assert endpoint.asked == []


def test_each_slot_is_told_once_again_when_it_is_new_and_when_it_did_not_read(endpoint: Endpoint) -> None:
    endpoint.life = 600
    supply = TokenSupply(Registry(), fetcher=endpoint.fetcher)
    first, deaf = Slot(CONFIG), Slot(CONFIG)
    deaf.reads = False
    deadline = Deadline(PATIENCE)
    while not first.told:
        assert not deadline.expired
        supply.serve([first, deaf])
    for _ in range(3):
        supply.serve([first, deaf])
    assert len(first.told) == 1
    deaf.reads = True
    first.pid = 2
    supply.serve([first, deaf])
    assert (len(first.told), len(deaf.told)) == (2, 1)
    supply.close()


def serve_until(supply: TokenSupply, slot: Slot, reached: Callable[[], bool]) -> None:
    deadline = Deadline(PATIENCE)
    while not reached():
        assert not deadline.expired, slot.told
        supply.serve([slot])


def test_an_answer_that_does_not_end_holds_up_no_other_token_and_is_told() -> None:
    ends, later = threading.Event(), [0.0]

    def fetcher(config: Config) -> Fetch:
        def fetch(service: Service) -> Held:
            if service == EVENT_HUBS:
                ends.wait(PATIENCE)
            return Held(service.name, time.time() + 6_000)

        return fetch

    registry, slot = Registry(), Slot(replace(CONFIG, hub=replace(CONFIG.hub, iot_hub_host="mine.azure-devices.net")))
    supply = TokenSupply(
        registry,
        fetcher=fetcher,
        clock=lambda: time.time() + later[0],
        steady=lambda: time.monotonic() + later[0],
    )
    try:
        serve_until(supply, slot, lambda: slot.knows(IOT_HUB).held is not None)
        later[0] = SILENT_SECONDS
        serve_until(supply, slot, lambda: "has not ended its answer" in (slot.knows(EVENT_HUBS).trouble or ""))
        assert [registry.value(TOKEN_FAILING, each.name) for each in (EVENT_HUBS, IOT_HUB)] == [1, 0]
        ends.set()
        serve_until(supply, slot, lambda: slot.knows(EVENT_HUBS).held is not None)
        assert slot.knows(EVENT_HUBS).trouble is None
    finally:
        ends.set()
        supply.close()


def test_a_clock_that_is_put_back_has_a_new_token_fetched_now_and_not_when_it_is_that_late_again(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a node that starts a year ahead, and is told the time then: the hub's clock was right all the while."""
    monkeypatch.setattr(token_supply, "_LOOK_SECONDS", 0.05)
    ahead = [365 * 86_400.0]
    endpoint.life = 600 + ahead[0]
    slot = Slot(CONFIG)
    supply = TokenSupply(Registry(), fetcher=endpoint.fetcher, clock=lambda: time.time() + ahead[0])
    try:
        serve_until(supply, slot, lambda: slot.knows(EVENT_HUBS).held is not None)
        ahead[0], endpoint.life = 0.0, 600
        serve_until(supply, slot, lambda: len(endpoint.asked) == 2 and (slot.knows(EVENT_HUBS).held or "a1")[0] == "a2")
        held = slot.knows(EVENT_HUBS).held
        assert held is not None
        assert 500 < held.seconds() <= 600
    finally:
        supply.close()


def test_a_machine_without_room_for_a_thread_is_asked_for_one_again(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    endpoint.life = 600
    slot, supply = Slot(CONFIG), TokenSupply(Registry(), fetcher=endpoint.fetcher)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", full)
        supply.serve([slot])
    assert "No new token for Event Hubs: no process or thread can be started" in caplog.text
    try:
        serve_until(supply, slot, lambda: slot.knows(EVENT_HUBS).held is not None)
    finally:
        supply.close()
