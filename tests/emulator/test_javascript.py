"""The JavaScript client @azure/event-hubs (on the AMQP library rhea) as a second opinion."""

import json
import os
import subprocess
from typing import Any

import pytest

from ingest.emulator import Emulator
from tests.services import javascript

pytestmark = pytest.mark.services

COUNT = 1000
SECONDS = 90.0


def receive(emulator: Emulator, tls: bool, **order: Any) -> dict[str, Any]:
    folder = javascript.ensure()
    endpoints = emulator.endpoints
    order = {"consumerGroup": "$Default", "connectionString": endpoints.event_hub_connection_string} | order
    if tls:
        order["connectionString"] = endpoints.event_hub_connection_string_tls
        order["customEndpointAddress"] = endpoints.amqps.replace("amqps://", "sb://")
    done = subprocess.run(
        [*javascript.node_command(), "receive.mjs", json.dumps(order)],
        cwd=folder,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": endpoints.ca_file},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("tls", [False, True])
def test_it_receives_everything_in_order(emulator: Emulator, tls: bool) -> None:
    for index in range(COUNT):
        body = json.dumps({"index": index}).encode()
        emulator.send(f"device-{index % 5}", body, properties={"index": index}, content_type="application/json")
    answer = receive(emulator, tls, count=COUNT)
    assert "failure" not in answer
    assert answer["hub"] == emulator.hub.name
    assert sorted(event["body"]["index"] for event in answer["events"]) == list(range(COUNT))
    for partition in answer["partitions"]:
        own = [event for event in answer["events"] if event["partition"] == partition["id"]]
        assert [event["sequenceNumber"] for event in own] == list(range(len(own)))
        assert partition["last"] == len(own) - 1
        if own:
            assert own[-1]["offset"] == partition["offset"]
    event = answer["events"][0]
    assert event["properties"] == {"index": event["body"]["index"]}
    assert event["contentType"] == "application/json"
    assert event["system"]["iothub-connection-device-id"] == f"device-{event['body']['index'] % 5}"
    assert event["system"]["iothub-message-source"] == "Telemetry"


def test_it_starts_where_it_is_told(emulator: Emulator) -> None:
    for partition in emulator.hub.partitions:
        for index in range(10):
            emulator.append(partition, b"\x00\x53\x75\xa0\x01%d" % index)
    answer = receive(emulator, False, count=12, position={"sequenceNumber": 3, "isInclusive": False})
    assert sorted(event["sequenceNumber"] for event in answer["events"]) == sorted([*range(4, 10)] * 2)


def test_large_bodies_are_joined(emulator: Emulator) -> None:
    emulator.send("d", b"x" * 200_000)
    answer = receive(emulator, False, count=1)
    body = answer["events"][0]["body"]
    assert body == {"type": "Buffer", "data": [ord("x")] * 200_000}


def test_it_is_told_why_it_is_refused(emulator: Emulator) -> None:
    emulator.faults.refuse_attach("com.microsoft:argument-error", "The supplied offset '9' is invalid.")
    answer = receive(emulator, False, count=1)
    assert "The supplied offset '9' is invalid." in answer["failure"]["message"]
