"""What the hub's answer to one message means for its command. Pure.

Conditions and codes: IoT Hub's service SDKs map them so (404001, 403004, 429, 403002, 413, 401, 408, 400, 412).
"""

from typing import Literal, NamedTuple

Verdict = Literal["sent", "retry", "throttled", "queue_full", "quota", "dead", "refused"]
"""sent: the hub has it. retry: the same message again, in its device's order. throttled: likewise, and slower.
queue_full: likewise, when that device has taken some. quota: likewise, when the day's quota is renewed.
dead: never. refused: our own key or policy, nothing to do with the message."""


class Outcome(NamedTuple):
    verdict: Verdict
    reason: str
    """Label of the metric and, when dead, reason of the dead letter."""
    sentence: str = ""


SENT = Outcome("sent", "sent")
LINK_LOST = Outcome("retry", "link_lost", "the link ended before the hub had answered; the hub may have the message")
RELEASED = Outcome("retry", "released", "the hub gave the message back without a reason")
UNANSWERED = Outcome("retry", "unanswered", "the hub has not answered in time; it may have the message")

_KNOWN: dict[str, tuple[Verdict, str]] = {
    "amqp:not-found": ("dead", "device_not_found"),
    "amqp:resource-limit-exceeded": ("queue_full", "device_queue_full"),
    "com.microsoft:device-container-throttled": ("throttled", "throttled"),
    "com.microsoft:server-busy": ("throttled", "server_busy"),
    "com.microsoft:quota-exceeded": ("quota", "quota_exceeded"),
    "amqp:link:message-size-exceeded": ("dead", "too_large"),
    "amqp:unauthorized-access": ("refused", "unauthorized"),
    "com.microsoft:timeout": ("retry", "timeout"),
    "com.microsoft:iot-hub-suspended": ("quota", "hub_suspended"),
    "com.microsoft:argument-error": ("dead", "invalid_argument"),
    "com.microsoft:argument-out-of-range": ("dead", "invalid_argument"),
    "com.microsoft:message-expired": ("dead", "expired"),
    "amqp:decode-error": ("dead", "invalid_message"),
    "amqp:invalid-field": ("dead", "invalid_message"),
    "amqp:not-allowed": ("dead", "invalid_message"),
    "amqp:not-implemented": ("dead", "invalid_message"),
    "amqp:precondition-failed": ("dead", "invalid_message"),
    "com.microsoft:precondition-failed": ("dead", "invalid_message"),
}


def judge(condition: str, words: str) -> Outcome:
    """`condition` is the AMQP condition of a rejected message, `words` its description."""
    # An unknown condition is tried again: what is dead-lettered by mistake is lost to its device.
    verdict, reason = _KNOWN.get(condition, ("retry", "other"))
    return Outcome(verdict, reason, f"{condition}: {words}" if words else condition)
