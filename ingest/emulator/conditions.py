"""The error conditions and texts of the real service, as seen in traces and bug reports of its clients."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from ingest.amqp.performatives import (
    Error,
)
from ingest.amqp.types import Symbol
from ingest.emulator.errors import Rejected


class Condition(NamedTuple):
    """An AMQP error: condition symbol and description."""

    condition: str
    text: str


STOLEN = "amqp:link:stolen"
NOT_FOUND = "amqp:not-found"
NOT_IMPLEMENTED = "amqp:not-implemented"
REDIRECT = "amqp:link:redirect"
UNAUTHORIZED = "amqp:unauthorized-access"
THROTTLED = "com.microsoft:device-container-throttled"

SERVER_BUSY = Condition(
    "com.microsoft:server-busy",
    "The request was terminated because the entity is being throttled. Error code : 50002. "
    "Please wait 4 seconds and try again.",
)


def _tracked(text: str) -> str:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text} TrackingId:{uuid.uuid4().hex}_G0, SystemTracker:gateway5, Timestamp:{stamp}"


def not_found(entity: str) -> Condition:
    return Condition(NOT_FOUND, _tracked(f"The messaging entity '{entity}' could not be found."))


def unauthorized(text: str) -> Condition:
    return Condition(UNAUTHORIZED, _tracked(text))


def epoch_reader_present(epoch: int) -> Condition:
    return Condition(
        STOLEN,
        _tracked(
            f"At least one receiver for the endpoint is created with epoch of '{epoch}', and so non-epoch receiver is "
            "not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or "
            "disconnected."
        ),
    )


def higher_epoch_present(present: int, asked: int) -> Condition:
    return Condition(
        STOLEN,
        _tracked(
            f"Receiver 'nil' with a higher epoch '{present}' already exists. Receiver 'nil' with epoch {asked} cannot "
            "be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or "
            "ensure all old epoch receivers are closed or disconnected."
        ),
    )


def stolen(new: int, old: int | None) -> Condition:
    current = "non-epoch receiver 'nil'" if old is None else f"current receiver 'nil' with epoch '{old}'"
    return Condition(
        STOLEN,
        _tracked(
            f"New receiver 'nil' with higher epoch of '{new}' is created hence {current} is getting disconnected. "
            "If you are recreating the receiver, make sure a higher epoch is used."
        ),
    )


def too_many_readers(limit: int) -> Condition:
    return Condition(
        "amqp:resource-limit-exceeded",
        _tracked(
            f"Exceeded the maximum number of allowed receivers per partition in a consumer group which is {limit}. "
            "List of connected receivers - nil."
        ),
    )


def _argument(text: str) -> Condition:
    return Condition("com.microsoft:argument-error", _tracked(text))


def offset_beyond_end(offset: int, last: int) -> Condition:
    return _argument(f"The supplied offset '{offset}' is invalid. The last offset in the system is '{last}'")


def sequence_beyond_end(sequence: int, last: int) -> Condition:
    return _argument(
        f"The supplied sequence number '{sequence}' is invalid. The last sequence number in the system is '{last}'"
    )


def bad_filter(expression: str) -> Condition:
    return _argument(f"The filter expression {expression!r:.200} is not understood.")


def connection_inactive(milliseconds: int) -> Condition:
    return Condition(
        "amqp:connection:forced",
        f"The connection was inactive for more than the allowed {milliseconds} milliseconds and is closed by "
        "container 'LinkTracker'.",
    )


def device_not_found(device_id: str) -> Condition:
    return Condition(NOT_FOUND, _tracked(f"ErrorCode:DeviceNotFound;The device '{device_id}' is not registered."))


def device_queue_full(limit: int) -> Condition:
    return Condition(
        "amqp:resource-limit-exceeded",
        _tracked(
            f"C2D messages enqueued for the device exceeded the queue limit of {limit}, see more at "
            "http://aka.ms/iothub403004"
        ),
    )


def c2d_throttled(sends_per_second: float) -> Condition:
    text = f"ErrorCode:ThrottlingException;Cloud-to-device sends are limited to {sends_per_second:.2f} a second."
    return Condition(THROTTLED, _tracked(text))


def quota_exceeded(limit: int) -> Condition:
    text = f"ErrorCode:IotHubQuotaExceeded;Total number of messages on IotHub exceeded the allocated quota of {limit}."
    return Condition("com.microsoft:quota-exceeded", _tracked(text))


def message_too_large(size: int, limit: int) -> Condition:
    return Condition(
        "amqp:link:message-size-exceeded",
        _tracked(f"ErrorCode:MessageTooLarge;The message of {size} bytes is above the limit of {limit} bytes."),
    )


def bad_message(text: str) -> Condition:
    return Condition("amqp:invalid-field", _tracked(f"ErrorCode:ArgumentInvalid;{text}"))


class LinkRefused(Rejected):
    """The hub answers the attach with an error."""

    def __init__(self, condition: Condition, info: Mapping[str, object] | None = None) -> None:
        """`info`: what a program needs besides the text."""
        self.condition = condition
        self.info = info
        super().__init__(condition.text)


def error_of(condition: Condition, info: Mapping[str, object] | None = None) -> Error:
    keyed = None if info is None else {Symbol(key): value for key, value in info.items()}
    return Error(condition=condition.condition, description=condition.text, info=keyed)


class End(StrEnum):
    """How a message left the queue, in the words of IoT Hub's delivery feedback."""

    COMPLETED = "Success"
    EXPIRED = "Expired"
    DELIVERY_COUNT = "DeliveryCountExceeded"
    REJECTED = "Rejected"
    PURGED = "Purged"
