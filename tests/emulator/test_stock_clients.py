"""What the stock azure-eventhub clients make of the emulator."""

import asyncio
import gc
from collections.abc import Iterable
from typing import Any, cast

import pytest
from azure.eventhub import EventData, EventHubConsumerClient
from azure.eventhub.aio import EventHubConsumerClient as AsyncClient

from ingest.amqp.message import Data, Message, Sequence, Value
from ingest.emulator import Emulator
from tests.emulator.consumer import SECONDS, Consumer, client, tls_arguments

COUNT = 2000


def fill(emulator: Emulator) -> None:
    for index in range(COUNT):
        emulator.send(f"device-{index % 7}", b"%d" % index, properties={"index": index})


def check(events: list[EventData]) -> None:
    assert sorted(int(event.body_as_str()) for event in events) == list(range(COUNT))
    for device in range(7):
        own = [int(event.body_as_str()) for event in events if int(event.body_as_str()) % 7 == device]
        assert own == sorted(own)


def test_sync_client_plain(emulator: Emulator) -> None:
    fill(emulator)
    with Consumer(client(emulator)) as consumer:
        check(consumer.wait(COUNT))


def test_sync_client_tls(emulator: Emulator) -> None:
    fill(emulator)
    secure = EventHubConsumerClient.from_connection_string(
        emulator.endpoints.event_hub_connection_string_tls, "$Default", **tls_arguments(emulator)
    )
    with Consumer(secure) as consumer:
        check(consumer.wait(COUNT))


@pytest.mark.parametrize("tls", [False, True])
def test_async_client(emulator: Emulator, tls: bool) -> None:
    fill(emulator)
    endpoints = emulator.endpoints
    text = endpoints.event_hub_connection_string_tls if tls else endpoints.event_hub_connection_string
    arguments = tls_arguments(emulator) if tls else {}

    async def receive() -> list[EventData]:
        events: list[EventData] = []
        done = asyncio.Event()

        async def on_batch(context: Any, batch: list[EventData]) -> None:
            events.extend(batch)
            if len(events) >= COUNT:
                done.set()

        receiver = AsyncClient.from_connection_string(text, "$Default", **arguments)
        async with receiver:
            work = asyncio.create_task(receiver.receive_batch(on_batch, starting_position="-1", prefetch=3000))
            await asyncio.wait_for(done.wait(), SECONDS)
        # It sleeps until its next load balancing, 30 s away, however closed the client is.
        work.cancel()
        await asyncio.wait([work], timeout=SECONDS)
        return events

    check(asyncio.run(receive()))


def test_an_event_has_what_iot_hub_gives(emulator: Emulator) -> None:
    position = emulator.send(
        "thermostat",
        b'{"t":21}',
        properties={"level": "high", "ratio": 0.5, "n": 1 << 40, "on": True},
        content_type="application/json",
        content_encoding="utf-8",
        message_id="m-1",
        correlation_id="c-1",
        module_id="sensor",
        enqueued_at_ms=1_700_000_000_123,
    )
    with Consumer(client(emulator)) as consumer:
        (event,) = consumer.wait(1)
    assert event.body_as_str() == '{"t":21}'
    assert event.properties == {b"level": b"high", b"ratio": 0.5, b"n": 1 << 40, b"on": True}
    assert (event.sequence_number, event.offset) == (position.sequence_number, position.offset)
    assert event.enqueued_time is not None
    assert event.enqueued_time.timestamp() == 1_700_000_000.123
    assert (event.message_id, event.correlation_id) == ("m-1", "c-1")
    assert (event.content_type, event.system_properties[b"content-encoding"]) == ("application/json", b"utf-8")
    assert list(event.raw_amqp_message.annotations or {}) == [
        b"iothub-connection-device-id",
        b"iothub-connection-module-id",
        b"iothub-connection-auth-method",
        b"iothub-connection-auth-generation-id",
        b"iothub-enqueuedtime",
        b"iothub-message-source",
        b"x-opt-sequence-number",
        b"x-opt-offset",
        b"x-opt-enqueued-time",
    ]
    assert event.system_properties[b"iothub-connection-device-id"] == b"thermostat"
    assert event.system_properties[b"iothub-connection-module-id"] == b"sensor"
    assert event.system_properties[b"iothub-message-source"] == b"Telemetry"


def test_odd_events_arrive_as_they_are(emulator: Emulator) -> None:
    odd = [
        Message(body=Value({"a": 1})),
        Message(body=Sequence(([1, 2], [3]))),
        Message(body=Data((b"one", b"two"))),
        Message(body=Data((b"",)), message_annotations={"x-unknown": "kept"}),
    ]
    for message in odd:
        emulator.append("0", message)
    with Consumer(client(emulator)) as consumer:
        value, sequence, data, empty = consumer.wait(4)
    assert value.raw_amqp_message.body == {b"a": 1}
    assert list(sequence.raw_amqp_message.body) == [[1, 2], [3]]
    assert list(data.raw_amqp_message.body) == [b"one", b"two"]
    assert empty.body_as_str() == ""
    assert (empty.raw_amqp_message.annotations or {})[b"x-unknown"] == b"kept"


def test_large_bodies_are_split_and_joined(emulator: Emulator) -> None:
    bodies = [bytes([index]) * size for index, size in enumerate((0, 65_000, 65_536, 262_144, 10, 200_000))]
    for body in bodies:
        emulator.send("d", body)
    with Consumer(client(emulator)) as consumer:
        events = consumer.wait(len(bodies))
    assert [b"".join(cast("Iterable[bytes]", event.body)) for event in events] == bodies


def test_runtime_metrics(emulator: Emulator) -> None:
    for index in range(5):
        emulator.send("d", b"x", enqueued_at_ms=1_700_000_000_000 + index)
    with Consumer(client(emulator), track_last_enqueued_event_properties=True) as consumer:
        consumer.wait(5)
    last = consumer.metrics[-1]
    assert last is not None
    assert last["sequence_number"] == 4
    assert last["enqueued_time"].timestamp() == 1_700_000_000.004


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ({"starting_position": "-1"}, 0),
        ({"starting_position": 3}, 4),
        ({"starting_position": 3, "starting_position_inclusive": True}, 3),
    ],
)
def test_starting_positions(emulator: Emulator, arguments: dict[str, Any], first: int) -> None:
    for index in range(8):
        emulator.send("d", b"%d" % index)
    partition = emulator.partition_of("d")
    with Consumer(client(emulator), partition_id=partition, **arguments) as consumer:
        events = consumer.wait(8 - first)
    assert [int(event.body_as_str()) for event in events] == list(range(first, 8))


def test_latest_means_what_comes_next(emulator: Emulator) -> None:
    emulator.send("d", b"old")
    with Consumer(client(emulator), starting_position="@latest") as consumer:
        emulator.wait_for(lambda stats: all(each.receivers for each in stats.partitions.values()), SECONDS)
        emulator.send("d", b"new")
        assert [event.body_as_str() for event in consumer.wait(1)] == ["new"]


def test_a_stolen_link_is_reported(emulator: Emulator) -> None:
    def epoch(level: int) -> Consumer:
        return Consumer(client(emulator), partition_id="0", owner_level=level)

    with epoch(1) as first:
        emulator.wait_for(lambda stats: stats.receivers == 1, SECONDS)
        with epoch(2):
            assert "New receiver 'nil' with higher epoch of '2' is created" in str(first.wait_for_error())
            stats = emulator.wait_for(lambda stats: stats.receivers == 1, SECONDS)
            assert stats.partitions["0"].receivers[0].epoch == 2


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # azure-eventhub leaves sockets that were reset
def test_after_a_disconnect_the_stock_client_goes_on(emulator: Emulator) -> None:
    with Consumer(client(emulator)) as consumer:
        for index in range(3):
            emulator.send("d", b"%d" % index)
            consumer.wait(index + 1)
            assert emulator.faults.abort() >= 1
        emulator.send("d", b"3")
        consumer.wait(4)
    bodies = [int(event.body_as_str()) for event in consumer.events]
    assert sorted(set(bodies)) == [0, 1, 2, 3]
    gc.collect()
