"""The hub's conditions, and what each means: for the link that it ends, and for the message that it answers. Pure.

Sources: AMQP 1.0 part 2.8.15 to 2.8.18; Event Hubs' own start with `com.microsoft:`. Of messages: IoT Hub's service SDKs map
them so (404001, 403004, 429, 403002, 413, 401, 408, 400, 412).
"""

from typing import Final, Literal, NamedTuple

LinkVerdict = Literal["refused", "lost"]
"""refused: the same try will be refused again (key, name). lost: try again after a while."""

MessageVerdict = Literal["sent", "retry", "throttled", "queue_full", "quota", "dead", "refused"]
"""sent: the hub has it. retry: the same message again, in its device's order. throttled: likewise, and slower.
queue_full: likewise, when that device has taken some. quota: likewise, when the day's quota is renewed.
dead: never. refused: our own key or policy, nothing to do with the message."""


class OfLink(NamedTuple):
    verdict: LinkVerdict
    reason: str
    """Label of the metric."""


class OfMessage(NamedTuple):
    verdict: MessageVerdict
    reason: str
    """Label of the metric and, when dead, reason of the dead letter."""


class _Meaning(NamedTuple):
    link: OfLink | None = None
    message: OfMessage | None = None


def _refused(reason: str, message: OfMessage | None = None) -> _Meaning:
    return _Meaning(OfLink("refused", reason), message)


def _lost(reason: str, message: OfMessage | None = None) -> _Meaning:
    return _Meaning(OfLink("lost", reason), message)


def _dead(reason: str) -> OfMessage:
    return OfMessage("dead", reason)


BAD_ARGUMENTS: Final = ("com.microsoft:argument-error", "com.microsoft:argument-out-of-range", "amqp:invalid-field")
"""Of a link: a position, or whatever else was asked for, that the hub does not know."""

_MEANINGS: Final[dict[str, _Meaning]] = {
    "amqp:unauthorized-access": _refused("unauthorized", OfMessage("refused", "unauthorized")),
    "com.microsoft:auth-failed": _refused("unauthorized"),
    "amqp:not-found": _refused("not_found", _dead("device_not_found")),
    "amqp:not-allowed": _refused("not_allowed", _dead("invalid_message")),
    "com.microsoft:argument-error": _refused("argument_error", _dead("invalid_argument")),
    "com.microsoft:argument-out-of-range": _refused("argument_error", _dead("invalid_argument")),
    "amqp:invalid-field": _refused("argument_error", _dead("invalid_message")),
    "amqp:link:stolen": _lost("stolen"),
    "amqp:link:detach-forced": _lost("detached"),
    "amqp:connection:forced": _lost("closed"),
    "amqp:socket-error": _lost("connection_lost"),
    "amqp:resource-limit-exceeded": _lost("too_many_readers", OfMessage("queue_full", "device_queue_full")),
    "com.microsoft:server-busy": _lost("server_busy", OfMessage("throttled", "server_busy")),
    "com.microsoft:timeout": _lost("timeout", OfMessage("retry", "timeout")),
    "com.microsoft:entity-updated": _lost("entity_updated"),
    "com.microsoft:device-container-throttled": _lost("throttled", OfMessage("throttled", "throttled")),
    "com.microsoft:quota-exceeded": _lost("quota_exceeded", OfMessage("quota", "quota_exceeded")),
    "com.microsoft:iot-hub-suspended": _lost("hub_suspended", OfMessage("quota", "hub_suspended")),
    "amqp:link:message-size-exceeded": _Meaning(message=_dead("too_large")),
    "com.microsoft:message-expired": _Meaning(message=_dead("expired")),
    "amqp:decode-error": _Meaning(message=_dead("invalid_message")),
    "amqp:not-implemented": _Meaning(message=_dead("invalid_message")),
    "amqp:precondition-failed": _Meaning(message=_dead("invalid_message")),
    "com.microsoft:precondition-failed": _Meaning(message=_dead("invalid_message")),
}

_OF_STATUS: Final = {401: "amqp:unauthorized-access", 403: "amqp:unauthorized-access", 404: "amqp:not-found"}

KNOWN: Final = tuple(_MEANINGS)


def of_link(condition: str) -> OfLink:
    """What a link that ended with `condition` is to us; "" where the hub gave none."""
    meaning = _MEANINGS.get(condition)
    # What nobody knows is tried again: waiting costs less than a service that ends.
    return meaning.link if meaning is not None and meaning.link is not None else OfLink("lost", "other")


def of_message(condition: str) -> OfMessage:
    """What the rejection of a message with `condition` means for it."""
    meaning = _MEANINGS.get(condition)
    # What nobody knows is tried again: what is dead-lettered by mistake is lost to its device.
    return meaning.message if meaning is not None and meaning.message is not None else OfMessage("retry", "other")


def of_status(status: int) -> str | None:
    """The condition that says the same as an answer of `$cbs` or `$management`, which have HTTP's status codes; None for one
    that does not refuse."""
    return _OF_STATUS.get(status)
