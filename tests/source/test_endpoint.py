"""The event hub of a configuration that has the IoT hub's connection string alone."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.config import Checkpoints, Config, Hub, Secret, Source
from ingest.emulator import Emulator
from ingest.errors import RestartRequired, Unreachable
from ingest.hub.link_errors import LinkEnded, link_ended
from ingest.hub.network.faults import NetworkFault
from ingest.hub.redirect import Endpoint
from ingest.source import endpoint
from ingest.source.endpoint import ASK_SECONDS, EndpointWatch, find, with_endpoint
from ingest.timing import Deadline
from tests.services.azurite import Azurite
from tests.source.readers import Reader, fill

PATIENCE = 60.0
AWAY = "HostName=localhost:9;SharedAccessKeyName=service;SharedAccessKey=a2V5"


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as emulator:
        yield emulator


@pytest.fixture
def config(hub: Emulator, tmp_path: Path) -> Config:
    """With a folder for checkpoints that is not there yet."""
    ends = hub.endpoints
    return Config(
        hub=Hub(iot_hub_connection_string=Secret(ends.iot_hub_connection_string), ca_file=Path(ends.ca_file)),
        checkpoints=Checkpoints(store="file", path=tmp_path / "checkpoints"),
        source=Source(transport="fast"),
    )


def away(config: Config) -> Config:
    """The same hub, whose service side does not answer."""
    host = config.hub.iot_hub
    assert host is not None
    text = config.hub.iot_hub_connection_string.reveal().replace(host.host, f"{host.host}:9")
    return replace(config, hub=replace(config.hub, iot_hub_connection_string=Secret(text)))


def test_telemetry_is_read_with_the_iot_hub_s_string_alone(hub: Emulator, config: Config) -> None:
    assert config.reads_telemetry
    assert config.hub.event_hub is None
    fill(hub, 10)
    reader = Reader(find(config))
    try:
        reader.until_events(10)
    finally:
        reader.receiver.close()


def test_the_last_answer_is_kept_for_a_start_without_the_hub(config: Config) -> None:
    with pytest.raises(Unreachable):
        find(away(config))
    asked = find(config)
    [kept] = config.checkpoints.path.iterdir()
    assert "SharedAccessKey" not in kept.read_text()
    for fresh in (False, True):
        found = find(away(config), fresh=fresh)
        assert found.hub.event_hub is not None
        assert asked.hub.event_hub is not None
        assert found.hub.event_hub.event_hub == asked.hub.event_hub.event_hub
    kept.write_text(json.dumps({"host": "moved.servicebus.windows.net", "event_hub": "other"}))
    assert asked.hub.event_hub is not None
    assert find(config, fresh=True).hub.event_hub == asked.hub.event_hub
    assert json.loads(kept.read_text())["event_hub"] == asked.hub.event_hub.event_hub


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"host": 5, "event_hub": "x"}', '{"host": "h;x", "event_hub": "x"}', "{"]
)
def test_a_damaged_answer_is_none(config: Config, content: str) -> None:
    asked = find(config)
    [kept] = config.checkpoints.path.iterdir()
    kept.write_text(content)
    assert find(config).hub.event_hub == asked.hub.event_hub


def test_a_blob_store_keeps_it_beside_the_checkpoints(config: Config, blob: Azurite) -> None:
    from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import ContainerClient

    container = f"endpoint-{uuid.uuid4().hex}"
    store = Checkpoints(blob_connection_string=Secret(blob.connection_string), container=container)
    config = replace(config, checkpoints=store)
    asked = find(config)  # without a container it cannot be kept, which is no reason to stop
    with ContainerClient.from_connection_string(blob.connection_string, container) as client:
        client.create_container()
    assert find(config).hub.event_hub == asked.hub.event_hub
    kept = find(away(config)).hub.event_hub
    assert kept is not None
    assert asked.hub.event_hub is not None
    assert kept.event_hub == asked.hub.event_hub.event_hub


class Watched:
    def __init__(self, config: Config, answers: list[Endpoint]) -> None:
        self.now = 0.0
        self.asked = 0
        self.answers = answers
        self.config = config
        self.watch = EndpointWatch(config, with_endpoint(config, answers[0]), lambda: self.now, self._ask)

    def _ask(self, config: Config, *, fresh: bool) -> Config:
        assert fresh
        self.asked += 1
        return with_endpoint(config, self.answers[min(self.asked, len(self.answers) - 1)])

    def ends(self, ended: LinkEnded) -> None:
        before = self.asked
        self.watch.ended(ended)
        deadline = Deadline(0.05 if before == self.asked else PATIENCE)
        while not self.watch._found and not deadline.expired:
            pass


NO_NAME = link_ended(NetworkFault("name", "h has no address", "correct it"))
REFUSED = LinkEnded("refused", "unauthorized", "amqp:unauthorized-access")
LOST = LinkEnded("lost", "detached", "the hub detached the link")
HERE, THERE = Endpoint("a.servicebus.windows.net", "a"), Endpoint("b.servicebus.windows.net", "b")


@pytest.mark.parametrize("ended", [NO_NAME, REFUSED])
def test_events_that_are_elsewhere_start_the_process_anew(config: Config, ended: LinkEnded) -> None:
    watched = Watched(config, [HERE, HERE, THERE])
    watched.ends(ended)
    watched.watch.poll()
    watched.ends(ended)
    assert watched.asked == 1, "at most once in a while"
    watched.now += ASK_SECONDS
    watched.ends(ended)
    with pytest.raises(RestartRequired, match="at another endpoint now"):
        watched.watch.poll()


def test_a_link_that_only_ends_asks_nothing(config: Config) -> None:
    watched = Watched(config, [HERE, THERE])
    watched.ends(LOST)
    watched.watch.poll()
    assert watched.asked == 0
    own = Watched(with_endpoint(config, HERE), [HERE, THERE])
    own.ends(NO_NAME)
    assert own.asked == 0, "an endpoint that the user has written stays"


class ToyChild:
    """As much of a child as `settle` needs."""

    def __init__(self, config: Config, facts: dict[str, Any]) -> None:
        from ingest.process.child import ProcessSpec

        self.task = ProcessSpec("source", "0", "x:y", config, facts)
        self.stopping = False

    def beat(self, ready: bool, detail: str) -> None: ...


def test_a_child_takes_what_another_found_out(config: Config) -> None:
    first = ToyChild(config, {})
    endpoint.settle(first, fresh=True)  # type: ignore[arg-type]
    facts = endpoint.facts(config, first.task.config)
    second = ToyChild(away(config), dict(facts))
    endpoint.settle(second, fresh=True)  # type: ignore[arg-type]
    assert second.task.config.hub.event_hub is not None
    assert first.task.config.hub.event_hub is not None
    assert second.task.config.hub.event_hub.event_hub == first.task.config.hub.event_hub.event_hub
    assert endpoint.facts(first.task.config, first.task.config) == {}
