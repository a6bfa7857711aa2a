import uuid
from collections.abc import Callable
from typing import Any

import pytest
from azure.eventhub import EventHubConsumerClient
from azure.eventhub.exceptions import ConnectError

from ingest.amqp.message import Message, Properties, Value, decode_message
from ingest.amqp.performatives import RECEIVER, SENDER, Attach, Source, Target, Transfer
from ingest.emulator import Emulator
from tests.emulator.consumer import client as stock_client
from tests.emulator.raw_client import RawClient


def ask(client: RawClient, reply_to: str | None = None, **asked: Any) -> Message:
    """One request over a fresh pair of links; the response link's target is `reply_to`."""
    node = Source(address="$management"), Target(address="$management")
    name = uuid.uuid4().hex
    client.send(Attach(name=f"r{name}", handle=1, role=RECEIVER, source=node[0], target=Target(address=reply_to)))
    client.send(
        Attach(name=f"s{name}", handle=2, role=SENDER, source=node[0], target=node[1], initial_delivery_count=0)
    )
    client.flow(1, 1)
    request = Message(
        properties=Properties(message_id="question", reply_to=reply_to),
        application_properties=asked,
        body=Value(None),
    )
    client.send(Transfer(handle=2, delivery_id=1, delivery_tag=b"1", settled=True), request.encode())
    transfer, payload = client.receive_with_payload(Transfer)
    assert transfer.handle == 1
    answer = decode_message(payload)
    assert answer.properties is not None
    assert answer.properties.correlation_id == "question"
    return answer


def test_the_hub(emulator: Emulator) -> None:
    with stock_client(emulator) as client:
        found = client.get_eventhub_properties()
    assert found["eventhub_name"] == emulator.hub.name
    assert found["partition_ids"] == ["0", "1"]
    assert int(found["created_at"].timestamp() * 1000) == emulator.hub.created_ms


def test_a_partition(emulator: Emulator) -> None:
    for index in range(3):
        position = emulator.append("1", b"\x00\x53\x77\x40", enqueued_at_ms=1_700_000_000_000 + index)
    with stock_client(emulator) as client:
        found = client.get_partition_properties("1")
        empty = client.get_partition_properties("0")
    assert found["beginning_sequence_number"] == 0
    assert found["last_enqueued_sequence_number"] == 2
    assert found["last_enqueued_offset"] == position.offset
    assert found["last_enqueued_time_utc"].timestamp() == 1_700_000_000.002
    assert not found["is_empty"]
    assert empty["is_empty"]
    assert empty["last_enqueued_sequence_number"] == -1


def test_a_paused_partition_still_counts(emulator: Emulator) -> None:
    emulator.faults.pause("0")
    emulator.append("0", b"\x00\x53\x77\x40")
    with stock_client(emulator) as client:
        assert client.get_partition_properties("0")["last_enqueued_sequence_number"] == 0


def test_an_unknown_partition(emulator: Emulator) -> None:
    with stock_client(emulator, retry_total=0) as client, pytest.raises(ConnectError, match="404"):
        client.get_partition_properties("9")


def test_an_unknown_hub(emulator: Emulator) -> None:
    text = emulator.endpoints.event_hub_connection_string.replace(emulator.hub.name, "other")
    with (
        EventHubConsumerClient.from_connection_string(text, "$Default", retry_total=0) as client,
        pytest.raises(ConnectError, match="404"),
    ):
        client.get_eventhub_properties()


def test_the_answer_goes_where_the_request_says(emulator: Emulator, connect: Callable[[], RawClient]) -> None:
    client = connect()
    source = Source(address="$management")
    client.send(Attach(name="other", handle=7, role=RECEIVER, source=source, target=Target(address="elsewhere")))
    client.flow(7, 1)
    ask(client, "here", operation="READ", type="com.microsoft:eventhub", name=emulator.hub.name)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"operation": "READ", "type": "com.microsoft:eventhub"}, 404),
        ({"operation": "READ", "type": "com.microsoft:eventhub", "name": "{hub}", "security_token": "x"}, 401),
        ({"operation": "READ", "type": "com.microsoft:eventhub", "name": "{hub}"}, 200),
        ({"operation": "READ", "type": "com.microsoft:partition", "name": "{hub}", "partition": "7"}, 404),
        ({"operation": "READ", "type": "com.microsoft:queue", "name": "{hub}"}, 400),
        ({"operation": "DELETE", "type": "com.microsoft:eventhub", "name": "{hub}"}, 400),
    ],
)
@pytest.mark.parametrize("reply_to", [None, "my-answers"])
def test_status_codes(
    emulator: Emulator, connect: Callable[[], RawClient], asked: dict[str, str], status: int, reply_to: str | None
) -> None:
    hub = emulator.hub.name
    answer = ask(connect(), reply_to, **{key: value.format(hub=hub) for key, value in asked.items()})
    assert (answer.application_properties or {})["status-code"] == status
    assert (answer.application_properties or {})["status-description"]
