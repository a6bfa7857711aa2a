"""Messages as the service lays them out, through azure-eventhub's objects."""

import pytest
from azure.eventhub import EventData
from azure.eventhub._pyamqp.message import Message as SdkMessage
from azure.eventhub._utils import get_last_enqueued_event_properties

from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Data, Message, Properties, Sequence, Value
from ingest.amqp.types import Char, Symbol, Timestamp
from ingest.source.transport.sdk_message import decode_for_sdk, event_from_sdk
from tests.source import messages


def received(message: Message) -> EventData:
    decoded: SdkMessage = decode_for_sdk(memoryview(message.encode()))
    return EventData._from_message(decoded)


def message(**changes: object) -> Message:
    made = Message(
        message_annotations={
            Symbol("iothub-connection-device-id"): "dev-1",
            Symbol("iothub-connection-module-id"): "mod",
            Symbol("iothub-enqueuedtime"): Timestamp(1_603_288_810_715),
            Symbol("iothub-message-source"): "Telemetry",
            Symbol("x-opt-sequence-number"): 13280,
            Symbol("x-opt-offset"): "12890070640",
            Symbol("x-opt-enqueued-time"): Timestamp(1_603_288_810_824),
        },
        properties=Properties(
            message_id="m1",
            correlation_id="c1",
            content_type=Symbol("application/json"),
            content_encoding=Symbol("utf-8"),
        ),
        application_properties={"level": "high", "count": 3},
        body=Data((b'{"t":1}',)),
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_the_fields_of_a_telemetry_message() -> None:
    event = event_from_sdk(received(message()))
    assert (event.sequence_number, event.offset, event.enqueued_ms) == (13280, "12890070640", 1_603_288_810_824)
    assert (event.device_id, event.origin.module_id) == ("dev-1", "mod")
    assert (event.message_id, event.labels.correlation_id) == ("m1", "c1")
    assert (event.labels.content_type, event.labels.content_encoding) == ("application/json", "utf-8")
    assert event.system_properties == {"iothub-enqueuedtime": 1_603_288_810_715, "iothub-message-source": "Telemetry"}
    assert event.labels.properties == {"level": "high", "count": 3}
    assert (event.body, event.body_kind) == (b'{"t":1}', "data")


def test_several_data_sections_are_one_body() -> None:
    assert event_from_sdk(received(message(body=Data((b"ab", b"", b"cd"))))).body == b"abcd"


@pytest.mark.parametrize("body", [Data((b"",)), None])
def test_an_empty_body_is_a_body(body: Data | None) -> None:
    event = event_from_sdk(received(message(body=body)))
    assert (event.body, event.body_kind) == (b"", "data")


def test_bodies_of_other_kinds_are_json() -> None:
    for body, kind, content in (
        (Value({"a": 1}), "amqp-value", b'{"a":1}'),
        (Sequence(([1, 2],)), "amqp-sequence", b"[[1,2]]"),
    ):
        event = event_from_sdk(received(message(body=body)))
        assert (event.body_kind, event.body) == (kind, content)


def test_types_that_the_client_s_decoder_lacks_or_mixes_up() -> None:
    event = event_from_sdk(received(message(application_properties={"unit": Char("C"), "level": "high", "raw": b"x"})))
    assert event.labels.properties == {"unit": {"$char": "C"}, "level": "high", "raw": {"$binary": "eA=="}}
    assert event.device_id == "dev-1"
    assert event.body == b'{"t":1}'


def test_the_client_sees_the_position_and_what_the_hub_says_of_its_newest_event() -> None:
    payload = messages.usual(7, newest=9)
    data = EventData._from_message(decode_for_sdk(memoryview(payload)))
    assert (data.sequence_number, data.offset) == (7, "7000")
    told = get_last_enqueued_event_properties(data)
    assert told is not None
    assert (told["sequence_number"], told["offset"]) == (9, "72")


def test_answers_to_the_client_s_own_requests_are_decoded_by_it() -> None:
    answer = Message(application_properties={"status-code": 202}, body=Value("Accepted"))
    decoded = decode_for_sdk(memoryview(answer.encode()))
    assert decoded.application_properties == {b"status-code": 202}
    assert decoded.value == b"Accepted"


def test_a_message_without_properties_or_device() -> None:
    bare = message(properties=None, application_properties=None)
    bare.message_annotations = {
        Symbol("x-opt-sequence-number"): 0,
        Symbol("x-opt-offset"): "0",
        Symbol("x-opt-enqueued-time"): Timestamp(1),
    }
    event = event_from_sdk(received(bare))
    assert event.device_id is None
    assert event.labels.properties == event.system_properties == {}


def test_an_event_without_a_position_is_refused() -> None:
    bare = message()
    bare.message_annotations = {}
    with pytest.raises(AmqpError, match="without x-opt-sequence-number"):
        event_from_sdk(received(bare))
