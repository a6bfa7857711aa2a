"""Telemetry and commands with the tokens of an identity, over both transports."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.config import Config, Hub, Identity, Source
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.hub import event_hubs
from ingest.hub.auth.contract import EVENT_HUBS, IOT_HUB, SERVICES, Held
from ingest.hub.auth.held import HeldTokens, News
from ingest.hub.auth.identity import needed
from ingest.sink.sending.results import SENT
from ingest.sink.sending.sender import Sender
from ingest.timing import Backoff, Deadline
from tests.hub.auth.fake_entra import GRACE, jwt
from tests.sink.hub import command
from tests.sink.transports import HERE
from tests.source.readers import Reader, fill

PATIENCE = 60.0
GROUPS = {"fast": "$Default", "sdk": "other"}
WHY = "the endpoint answers 500"
LIFE = 4
"""Seconds that each token holds."""


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True, consumer_groups=tuple(GROUPS.values())) as emulator:
        yield emulator


def configured(hub: Emulator, transport: str = "fast") -> Config:
    ends = hub.endpoints
    return Config(
        hub=Hub(
            event_hub_namespace=ends.amqps.removeprefix("amqps://"),
            event_hub_name=hub.hub.name,
            iot_hub_host=ends.iot_hub_connection_string.partition("=")[2].partition(";")[0],
            ca_file=Path(ends.ca_file),
        ),
        source=Source(transport=transport, consumer_group=GROUPS[transport]),
        identity=Identity(auth="managed_identity"),
    )


def give(held: HeldTokens, life: float, trouble: str | None = None) -> None:
    """New tokens, as from the supervisor."""
    until, long = time.time() + life, life + GRACE
    made = {each.name: Held(jwt(each.scope.removesuffix("/.default"), long), until) for each in SERVICES}
    held.take({name: News(token, trouble) for name, token in made.items()})


class Traffic:
    """Telemetry and commands at the same time: one link for each direction and transport."""

    def __init__(self, hub: Emulator) -> None:
        config = configured(hub)
        address = config.hub.iot_hub
        assert address is not None
        self.hub = hub
        self.readers = [Reader(configured(hub, way)) for way in GROUPS]
        self.senders = [Sender(address, config.hub.ca_file, transport=way, backoff=Backoff(0.05, 0.5)) for way in HERE]
        self.filled = hub.hub.bounds("0")[1].sequence_number + 1
        self.sent = self.taken = 0
        for each in self.senders:
            each.start()

    def turn(self) -> None:
        fill(self.hub, 5)
        self.filled += 5
        for reader in self.readers:
            reader.events += reader.receiver.poll(0.02) or ()
        for sender in self.senders:
            if sender.ready and not sender.in_flight:
                sender.send(command(f"dev-{self.sent}"))
                self.sent += 1
            self.taken += sum(outcome is SENT for _, outcome in sender.poll(0.02))

    @property
    def links(self) -> list[int]:
        return [*(reader.receiver.attaches for reader in self.readers), *(sender.links for sender in self.senders)]

    @property
    def troubles(self) -> list[str | None]:
        return [*(reader.receiver.trouble for reader in self.readers), *(sender.trouble for sender in self.senders)]

    @property
    def up(self) -> bool:
        return not any(self.troubles)

    @property
    def say_why(self) -> bool:
        return all(WHY in (trouble or "") for trouble in self.troubles)

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, self.troubles
            self.turn()

    def close(self) -> None:
        for sender in self.senders:
            sender.close()
        for reader in self.readers:
            reader.receiver.close()


@pytest.fixture
def traffic(hub: Emulator, held: HeldTokens) -> Iterator[Traffic]:
    give(held, LIFE)
    made = Traffic(hub)
    yield made
    made.close()


def test_short_tokens_and_an_endpoint_that_is_away(held: HeldTokens, traffic: Traffic) -> None:
    """No link ends while new tokens come; without one they all end and say why, and go on when there is one again."""
    renewed = threading.Event()

    def renew() -> None:
        while not renewed.wait(LIFE / 8):
            give(held, LIFE)
        give(held, LIFE, WHY)

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        traffic.until(lambda: traffic.up)
        steady = Deadline(1.5 * LIFE)
        traffic.until(lambda: steady.expired)
    finally:
        renewed.set()
        renewing.join()
    assert set(traffic.links) == {1}, traffic.troubles
    traffic.until(lambda: traffic.say_why)
    give(held, 600)
    traffic.until(lambda: traffic.up)
    deadline = Deadline(PATIENCE)
    while any(len(reader.events) < traffic.filled for reader in traffic.readers):
        assert not deadline.expired
        for reader in traffic.readers:
            reader.events += reader.receiver.poll(0.1) or ()
    for reader in traffic.readers:
        assert reader.numbers == list(range(traffic.filled)), "nothing is lost, nothing repeated"


def test_questions_to_the_hub_carry_the_token(hub: Emulator, held: HeldTokens) -> None:
    config = configured(hub)
    assert needed(config) == (EVENT_HUBS, IOT_HUB)
    give(held, 60)
    assert event_hubs.partition_ids(config) == ["0"]
    assert event_hubs.standing(config, "0").oldest == 0
    held.take({EVENT_HUBS.name: News(Held(jwt("https://iothubs.azure.net", 60), time.time() + 60))})
    with pytest.raises(Refused, match="InvalidAudience"):
        event_hubs.partition_ids(config)


def test_without_a_token_the_hub_is_not_asked_and_the_endpoint_s_words_are_told(
    hub: Emulator, held: HeldTokens
) -> None:
    held.take({EVENT_HUBS.name: News(None, "AADSTS700016: no such application", refused=True)})
    with pytest.raises(Refused, match="there is no token for Event Hubs: AADSTS700016"):
        event_hubs.partition_ids(configured(hub))
