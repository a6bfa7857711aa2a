"""Hubs that say nothing, and links that end in every form: noticed, in words, and nothing lost."""

import dataclasses
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ingest.config import Config, Hub, Secret
from ingest.emulator import Emulator
from ingest.errors import Unreachable
from ingest.hub import event_hubs
from ingest.hub.link_errors import link_ended
from ingest.hub.network import dialing
from ingest.timing import Deadline
from tests.service.endings import FORMS, end_links
from tests.services.swallowing import SwallowingProxy
from tests.source.readers import PATIENCE, Reading, configured, fill

IDLE_SECONDS = 1.0


@pytest.fixture(params=["sdk", "fast"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def at(config: Config, port: int) -> Config:
    """The same hub at another port."""
    text = config.hub.event_hub_connection_string.reveal()
    endpoint, _, rest = text.partition(";")
    moved = f"{endpoint.rstrip('/').rpartition(':')[0]}:{port};{rest}"
    return dataclasses.replace(config, hub=Hub(event_hub_connection_string=Secret(moved), ca_file=config.hub.ca_file))


@contextmanager
def silent_port() -> Iterator[int]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_hub_that_takes_a_connection_and_says_nothing_is_named_and_no_thread_stays(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    monkeypatch.setattr(event_hubs, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(dialing, "CONNECT_SECONDS", 1.0)
    before = set(threading.enumerate())
    with silent_port() as port:
        config = at(configured(emulator, "fast", tls=tls), port)
        with pytest.raises(Unreachable, match=r"no answer from \S+ within 0\.3 s"):
            event_hubs.partition_ids(config)
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE)
            assert not thread.is_alive(), thread


def test_a_handshake_without_an_answer_is_named(
    emulator: Emulator, reading: Reading, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setattr(dialing, "CONNECT_SECONDS", 0.3)
    with silent_port() as port:
        reader = reading(at(configured(emulator, transport, tls=True), port))
        reader.until(lambda: reader.receiver.reconnects.total() > 0)
        assert re.search(r"no answer from \S+ within 0\.3 s", reader.receiver.trouble or "")


def test_a_link_that_goes_dead_is_opened_again_and_nothing_is_lost(
    emulator: Emulator, reading: Reading, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setattr(event_hubs, "IDLE_SECONDS", IDLE_SECONDS)
    config = configured(emulator, transport)
    port = emulator.endpoints.event_hub_connection_string.partition(";")[0].rstrip("/").rpartition(":")[2]
    with SwallowingProxy(f"127.0.0.1:{port}") as proxy:
        fill(emulator, 10)
        reader = reading(at(config, proxy.port))
        reader.until_events(10)
        quiet = Deadline(1.5 * IDLE_SECONDS)
        reader.until(lambda: quiet.expired)
        assert reader.receiver.attaches == 1, "an idle link on which the hub's empty frames come is no dead one"
        assert proxy.swallow() >= 1
        fill(emulator, 10, first=10)
        reader.until(lambda: reader.receiver.trouble is not None)
        assert "no frame from the hub" in (reader.receiver.trouble or "")
        reader.until_events(20)
        assert reader.numbers == list(range(20))
        assert reader.receiver.reconnects == {"silent": 1}


def test_an_end_in_any_form_is_followed_by_another_link(emulator: Emulator, reading: Reading, transport: str) -> None:
    reader = reading(configured(emulator, transport))
    for attaches, form in enumerate(FORMS, 1):
        reader.until(lambda: reader.receiver.attached)
        assert reader.receiver.attaches == attaches, form
        fill(emulator, 5, first=5 * attaches - 5)
        reader.until_events(5 * attaches)
        assert end_links(emulator, form, "/Partitions/0") == 1
        reader.until(lambda attaches=attaches: reader.receiver.reconnects.total() == attaches)  # type: ignore[misc]
    assert reader.numbers == list(range(5 * len(FORMS)))


def test_a_condition_that_is_no_text_is_no_fault_of_ours() -> None:
    class Told(Exception):
        condition = b"amqp:\xff"
        description = b"\xfe words"

    ended = link_ended(Told())
    assert ended.verdict == "lost"
    assert "words" in str(ended)


def test_an_end_of_the_link_for_tokens_alone_is_an_end_of_the_link(
    emulator: Emulator, reading: Reading, transport: str
) -> None:
    reader = reading(configured(emulator, transport))
    fill(emulator, 5)
    reader.until_events(5)
    assert end_links(emulator, "detach", "$cbs") >= 1
    reader.until(lambda: reader.receiver.reconnects.total() == 1)
    assert reader.receiver.reconnects == {"detached": 1}
    fill(emulator, 5, first=5)
    reader.until_events(10)
    assert reader.numbers == list(range(10))
