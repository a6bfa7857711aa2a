import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from azure.eventhub import EventHubConsumerClient
from azure.eventhub.exceptions import ConnectError

from ingest.amqp.message import Message, Properties, Value, decode_message
from ingest.amqp.performatives import RECEIVER, SENDER, Attach, Flow, Source, Target, Transfer
from ingest.emulator import Emulator
from ingest.emulator.amqp.sas import sign
from ingest.emulator.keys import POLICY
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
    client.receive(Flow)
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


@pytest.mark.parametrize(
    ("resource", "status", "said"),
    [
        ("sb://h/{hub}", 200, "OK"),
        ("amqps://h/{hub}", 200, "OK"),
        ("sb://h/", 200, "OK"),
        ("sb://h/{hub}/$management", 200, "OK"),
        ("sb://h/other", 401, "InvalidAudience"),
        ("sb://h/{hub}/consumergroups/$default", 401, "InvalidAudience"),
        (None, 401, "'Listen' claim(s) are required"),
    ],
)
def test_without_a_token_on_cbs_the_one_in_the_request_decides(
    emulator: Emulator, resource: str | None, status: int, said: str
) -> None:
    """As Go's and Rust's clients ask."""
    hub = emulator.hub.name
    asked = {"operation": "READ", "type": "com.microsoft:eventhub", "name": hub}
    if resource is not None:
        key = emulator.keys.service.encode()
        asked["security_token"] = sign(resource.format(hub=hub), key, int(time.time()) + 60, POLICY)
    with RawClient(emulator.endpoints.amqp) as client:
        client.open()
        answer = ask(client, **asked).application_properties or {}
    assert answer["status-code"] == status
    assert said in answer["status-description"]


def test_the_fields_that_newer_clients_read(emulator: Emulator, connect: Callable[[], RawClient]) -> None:
    """.NET, Go and JavaScript compare the factor with 1, Rust insists on the epoch."""
    asked = {"operation": "READ", "name": emulator.hub.name}
    hub = ask(connect(), **asked, type="com.microsoft:eventhub")
    partition = ask(connect(), **asked, type="com.microsoft:partition", partition="0")
    assert isinstance(hub.body, Value)
    assert hub.body.value["georeplication_factor"] == 1
    assert isinstance(partition.body, Value)
    assert {"begin_sequence_number_epoch", "last_enqueued_sequence_number_epoch"} <= partition.body.value.keys()


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


def test_an_answer_of_many_frames_goes_through_a_window_of_one() -> None:
    with Emulator(partitions=32, event_hub="h" * 200) as emulator, RawClient(emulator.endpoints.amqp) as client:
        client.open(max_frame_size=512)
        client.authorize(emulator.keys.service, emulator.hub.name)
        client.window = 1
        link = Source(address="$management"), Target(address="$management")
        client.send(Attach(name="r", handle=1, role=RECEIVER, source=link[0], target=link[1]))
        client.send(Attach(name="s", handle=2, role=SENDER, source=link[0], target=link[1], initial_delivery_count=0))
        client.flow(1, 1)
        asked = {"operation": "READ", "type": "com.microsoft:eventhub", "name": emulator.hub.name}
        request = Message(properties=Properties(message_id=7), application_properties=asked, body=Value(None))
        client.receive(Flow)
        client.send(Transfer(handle=2, delivery_id=1, delivery_tag=b"1", settled=True), request.encode())
        answer, parts = b"", 0
        while True:
            transfer, payload = client.receive_with_payload(Transfer)
            answer, parts = answer + payload, parts + 1
            if not transfer.more:
                break
            client.flow(None, None)
        assert parts > 1
        found = decode_message(answer).body
        assert isinstance(found, Value)
        assert len(found.value["partition_ids"]) == 32


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
