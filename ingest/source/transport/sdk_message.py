"""Decodes messages in place of azure-eventhub: our decoder makes an `Event`, which the client passes on.

The client's decoder does not distinguish a binary from a string, drops the descriptors of values and the bytes of
bodies that are not data sections, and lacks some types. So it decodes only what is not an event: the answers to its own
requests.
"""

from typing import TYPE_CHECKING, Any

from azure.eventhub._pyamqp import _decode
from azure.eventhub._pyamqp.message import Message

from ingest.amqp.errors import AmqpError
from ingest.source.events.decoder import ENQUEUED, OFFSET, SEQUENCE_NUMBER, delivery_annotations, event_of
from ingest.source.events.event import Event

if TYPE_CHECKING:
    from azure.eventhub import EventData

_EVENT = b"x-ingest-event"
"""Annotation that carries the event through the client."""

_pyamqp: Any = _decode
_decode_payload = _pyamqp.decode_payload


def decode_for_sdk(payload: memoryview) -> Message:
    """Replaces the client's decoder, whose errors it raises for what is not an event."""
    raw = bytes(payload)
    try:
        event = event_of(raw)
    except AmqpError:
        answer: Message = _decode_payload(payload)
        return answer
    return Message(
        delivery_annotations=dict(delivery_annotations(raw)),
        # The client itself reads these three.
        message_annotations={
            SEQUENCE_NUMBER: event.sequence_number,
            OFFSET: event.offset.encode(),
            ENQUEUED: event.enqueued_ms,
            _EVENT: event,
        },
        data=[b""],
    )


def event_from_sdk(data: "EventData") -> Event:
    """Returns the event that came as `data`. Raises AmqpError if it lacks a position."""
    event = (data.raw_amqp_message.annotations or {}).get(_EVENT)
    if not isinstance(event, Event):
        raise AmqpError("An event came without x-opt-sequence-number or x-opt-offset.")
    return event
