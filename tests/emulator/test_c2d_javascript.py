"""The JavaScript client azure-iothub (on the AMQP library rhea) as a second opinion."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.amqp.message import Data, Message, Properties
from ingest.emulator import Emulator
from ingest.hub.device_id import devicebound
from tests.services import javascript

pytestmark = pytest.mark.services

SECONDS = 60.0
LIKE_ENCODED = ("a#1", "valve%41", "valveA", "100%", "a+b;c", "a!'()*", "-:._,=@?$")
"""Ids that differ from their percent-encoded form, or look like one."""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True, known_devices={"d", *LIKE_ENCODED}) as running:
        yield running


def send(emulator: Emulator, commands: list[dict[str, Any]], feedback: int = 0) -> dict[str, Any]:
    order = {
        "connectionString": emulator.endpoints.iot_hub_connection_string,
        "commands": commands,
        "feedback": feedback,
    }
    folder = javascript.ensure()
    done = subprocess.run(
        [*javascript.node_command(), "command.mjs", json.dumps(order)],
        cwd=folder,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": emulator.endpoints.ca_file},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_commands_reach_their_devices(emulator: Emulator) -> None:
    number = str(uuid.uuid4())
    commands: list[dict[str, Any]] = [
        {"deviceId": "d", "body": "Turn On", "messageId": "m1", "properties": {"level": "hot"}},
        {"deviceId": "stranger", "body": "x"},
        {"deviceId": "a#1", "body": "x", "messageId": number},
    ]
    assert send(emulator, commands)["outcomes"] == ["sent", "DeviceNotFoundError", "sent"]
    first, second = emulator.c2d.receive("d"), emulator.c2d.receive("a#1")
    assert first is not None
    assert second is not None
    assert (first.body, first.message_id, first.properties) == (b"Turn On", "m1", {"level": "hot"})
    assert second.message_id == number


def test_the_javascript_client_and_the_sink_address_the_same_devices(emulator: Emulator) -> None:
    """Stock encoding (encodeURIComponent) and ours (as Uri.EscapeDataString) decode to the same id."""
    commands = [{"deviceId": device_id, "body": device_id} for device_id in LIKE_ENCODED]
    assert send(emulator, commands)["outcomes"] == ["sent"] * len(commands)
    for device_id in LIKE_ENCODED:
        address = Properties(to=devicebound(device_id))
        sent = Message(properties=address, body=Data((device_id.encode(),)))
        assert emulator.submit(_send(emulator, sent)).result(SECONDS) is None
        received = [emulator.c2d.receive(device_id) for _ in range(3)]
        assert [each and each.body for each in received] == [device_id.encode()] * 2 + [None]


async def _send(emulator: Emulator, message: Message) -> object:
    return emulator.c2d.hub.send(message)


def test_feedback_leaves_with_64_records(emulator: Emulator) -> None:
    emulator.c2d.auto_complete()
    commands: list[dict[str, Any]] = [
        {"deviceId": "d", "body": "x", "messageId": f"m{index}", "ack": "full"} for index in range(64)
    ]
    answer = send(emulator, commands, feedback=64)
    assert answer["outcomes"] == ["sent"] * 64
    found = [(each["originalMessageId"], each["deviceId"], each["statusCode"]) for each in answer["feedback"]]
    assert found == [(f"m{index}", "d", "Success") for index in range(64)]


def test_conditions_become_errors_that_tell(emulator: Emulator) -> None:
    sends = emulator.faults.sends
    for index, condition in enumerate(("com.microsoft:quota-exceeded", "amqp:link:message-size-exceeded")):
        sends.reject_send(condition, after=index)
    commands: list[dict[str, Any]] = [{"deviceId": "d", "body": "x"}] * 52
    outcomes = send(emulator, commands)["outcomes"]
    assert outcomes[:3] == ["IotHubQuotaExceededError", "MessageTooLargeError", "sent"]
    # Two were refused, so that 50 fill the queue exactly.
    assert outcomes[3:] == ["sent"] * 49
    assert emulator.stats().c2d.queued == 50
    assert send(emulator, commands[:1])["outcomes"] == ["DeviceMaximumQueueDepthExceededError"]
