import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Data, Message, Properties, Value, decode_message
from ingest.amqp.types import Symbol, Timestamp
from ingest.emulator.telemetry.hub import Hub


def hub(partitions: int = 4) -> Hub:
    return Hub(name="h", partitions=partitions, consumer_groups=["$Default"], clock=lambda: 1_700_000_000.5)


names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
property_values = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=300),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False),
    st.binary(max_size=20),
)


@given(
    names,
    st.binary(max_size=400),
    st.dictionaries(names, property_values, max_size=5),
    st.one_of(st.none(), names),
    st.one_of(st.none(), names),
)
def test_what_is_published_is_the_message_that_iot_hub_makes(
    device: str, body: bytes, properties: dict[str, object], content_type: str | None, module: str | None
) -> None:
    data = hub()
    position = data.publish(device, body, properties=properties, content_type=content_type, module_id=module)
    message = decode_message(data.read(position.partition, 0, 1)[1][0])
    annotations = message.message_annotations or {}
    assert annotations["iothub-connection-device-id"] == device
    assert annotations.get("iothub-connection-module-id") == module
    assert annotations["x-opt-sequence-number"] == position.sequence_number == 0
    assert annotations["x-opt-offset"] == position.offset
    assert annotations["x-opt-enqueued-time"] == Timestamp(1_700_000_000_500)
    assert annotations["iothub-enqueuedtime"] <= annotations["x-opt-enqueued-time"]
    assert all(isinstance(key, Symbol) for key in annotations)
    assert message.body == Data((body,))
    assert (message.application_properties or {}) == properties
    assert message.properties == (Properties(content_type=content_type) if content_type else None)


def test_many_are_published_as_one_by_one() -> None:
    events = [(f"device-{index % 50}", b"%d" % index, {"n": index}) for index in range(3000)]
    single, bulk = hub(), hub()
    for device, body, properties in events:
        single.publish(device, body, properties=properties)
    assert bulk.publish_many(events) == len(events)
    for partition in single.partitions:
        assert bulk.read(partition, 0, 3000) == single.read(partition, 0, 3000)
        assert single.read(partition, 0, 1)[1], "50 devices leave no partition empty"


def test_a_device_stays_in_its_partition() -> None:
    assert [hub().partition_of(f"device-{index}") for index in range(8)] == ["2", "3", "2", "2", "0", "0", "1", "2"]


def test_odd_messages_get_their_position_and_keep_the_rest() -> None:
    data = hub()
    data.append("1", Message(message_annotations={"own": 1}, body=Value([1, 2])))
    message = decode_message(data.read("1", 0, 1)[1][0])
    assert message.body == Value([1, 2])
    assert message.message_annotations == {
        "own": 1,
        "x-opt-sequence-number": 0,
        "x-opt-offset": "0",
        "x-opt-enqueued-time": 1_700_000_000_500,
    }
    data.append("1", b"no AMQP at all")
    assert data.read("1", 1, 1)[1][0].endswith(b"no AMQP at all")


def test_a_property_that_amqp_cannot_carry_is_refused_and_leaves_no_trace() -> None:
    data = hub()
    with pytest.raises(AmqpError, match="set"):
        data.publish("d", b"", properties={"bad": {1}})
    assert data.bounds(data.partition_of("d")) == (0, (-1, -1, 0))


def test_publishers_in_many_threads_lose_nothing() -> None:
    data = hub(1)
    threads = [
        threading.Thread(target=lambda: [data.publish("d", b"x") for _ in range(500)], name=f"publisher-{index}")
        for index in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    first, payloads = data.read("0", 0, 5000)
    found = [(decode_message(raw).message_annotations or {})["x-opt-sequence-number"] for raw in payloads]
    assert (first, found) == (0, list(range(2000)))


def test_added_partitions_are_empty_and_devices_are_spread_over_all() -> None:
    data = hub(2)
    devices = [f"device-{number}" for number in range(200)]
    before = [data.publish(device, b"1") for device in devices]
    assert data.add_partitions(2) == ("0", "1", "2", "3")
    assert data.bounds("3")[1].sequence_number == -1
    after = [data.publish(device, b"2") for device in devices]
    assert {position.partition for position in after} == {"0", "1", "2", "3"}
    assert {position.sequence_number for position in after if position.partition == "3"} >= {0, 1}
    held = sum(data.bounds(partition)[1].sequence_number + 1 for partition in data.partitions)
    assert held == len(before) + len(after), "what was there stays"
