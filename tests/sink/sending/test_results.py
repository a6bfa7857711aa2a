"""Every answer of the hub and what becomes of its command. Pure."""

import pytest

from ingest.hub.conditions import MessageVerdict
from ingest.sink.sending.results import judge


@pytest.mark.parametrize(
    ("condition", "verdict", "reason"),
    [
        ("amqp:not-found", "dead", "device_not_found"),
        ("amqp:link:message-size-exceeded", "dead", "too_large"),
        ("com.microsoft:argument-error", "dead", "invalid_argument"),
        ("com.microsoft:message-expired", "dead", "expired"),
        ("amqp:decode-error", "dead", "invalid_message"),
        ("amqp:invalid-field", "dead", "invalid_message"),
        ("amqp:resource-limit-exceeded", "queue_full", "device_queue_full"),
        ("com.microsoft:device-container-throttled", "throttled", "throttled"),
        ("com.microsoft:server-busy", "throttled", "server_busy"),
        ("com.microsoft:quota-exceeded", "quota", "quota_exceeded"),
        ("com.microsoft:iot-hub-suspended", "quota", "hub_suspended"),
        ("com.microsoft:timeout", "retry", "timeout"),
        ("amqp:unauthorized-access", "refused", "unauthorized"),
    ],
)
def test_each_condition_has_one_verdict(condition: str, verdict: MessageVerdict, reason: str) -> None:
    outcome = judge(condition, "what the hub says")
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert outcome.sentence == f"{condition}: what the hub says"


@pytest.mark.parametrize("condition", ["amqp:internal-error", "com.microsoft:never-seen", "amqp:not-found-either"])
def test_a_condition_that_nobody_knows_costs_no_command(condition: str) -> None:
    assert judge(condition, "").verdict == "retry"
    assert judge(condition, "").reason == "other", "one metric label for all of them"
    assert condition in judge(condition, "").sentence
