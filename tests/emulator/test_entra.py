"""Tokens of an identity at the emulator's `$cbs` and `$management`, beside those of a key."""

from collections.abc import Iterator

import pytest

from ingest.amqp.message import Message
from ingest.emulator import Emulator
from ingest.hub.auth.contract import BEARER, EVENT_HUBS, IOT_HUB, JWT
from ingest.hub.client.client import Client
from ingest.hub.client.manners import EVENT_HUBS as EVENT_HUBS_MANNER
from ingest.hub.client.requests import CBS, MANAGEMENT, Node, NodeRefused, described, put_token, read_hub
from ingest.timing import Deadline
from tests.hub.auth.fake_entra import jwt
from tests.hub.client.clients import PATIENCE, connected

AUDIENCES = {EVENT_HUBS: "https://eventhubs.azure.net/", IOT_HUB: "https://iothubs.azure.net"}
LIFE = 600


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1) as emulator:
        yield emulator


class Asking:
    """A connection with one pair of links to each node."""

    def __init__(self, client: Client) -> None:
        self._nodes = {node: Node(client, node) for node in (CBS, MANAGEMENT)}

    def answer(self, node: str, message: Message) -> Message:
        return self._nodes[node].answer(message, Deadline(PATIENCE))

    def status(self, node: str, message: Message) -> int:
        try:
            told = self.answer(node, message).application_properties or {}
        except NodeRefused as refused:
            return refused.status
        return int(str(told["status-code"]))


@pytest.fixture
def asking(hub: Emulator) -> Iterator[Asking]:
    made = connected(hub, EVENT_HUBS_MANNER)
    yield Asking(made)
    made.close()


def test_event_hubs_takes_a_jwt_and_answers_as_to_a_signature(hub: Emulator, asking: Asking) -> None:
    audience, token = f"sb://localhost/{hub.hub.name}", jwt(AUDIENCES[EVENT_HUBS], LIFE)
    assert asking.status(CBS, put_token(audience, token, kind=JWT, expires=1)) == 202
    told = asking.answer(MANAGEMENT, read_hub(hub.hub.name, token))
    assert described(told)["partition_ids"] == ["0"]
    assert asking.status(MANAGEMENT, read_hub(hub.hub.name, None)) == 200, "the connection's own token opens it, too"
    wrong = jwt(AUDIENCES[IOT_HUB], LIFE)
    assert asking.status(MANAGEMENT, read_hub(hub.hub.name, wrong)) == 401


def test_iot_hub_takes_a_bearer_for_its_scope_alone(asking: Asking) -> None:
    token = jwt(AUDIENCES[IOT_HUB], LIFE)
    assert asking.status(CBS, put_token(IOT_HUB.scope, f"Bearer {token}", kind=BEARER)) == 200
    for audience, text, kind in (
        ("https://localhost", f"Bearer {token}", BEARER),
        (IOT_HUB.scope, token, BEARER),
        (IOT_HUB.scope, token, JWT),
        (IOT_HUB.scope, f"Bearer {jwt(AUDIENCES[EVENT_HUBS], LIFE)}", BEARER),
        (IOT_HUB.scope, f"Bearer {jwt(AUDIENCES[IOT_HUB], -1)}", BEARER),
    ):
        assert asking.status(CBS, put_token(audience, text, kind=kind)) == 401
