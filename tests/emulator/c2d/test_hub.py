"""The hub's side of commands, on a clock that is moved by hand."""

from typing import Any

import orjson
import pytest

from ingest.amqp.message import Data, Message, decode_message
from ingest.emulator.c2d.feedback import Feedback
from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.c2d.lock_queue import LockLost
from ingest.emulator.c2d.throttle import DailyQuota, TokenBucket
from ingest.emulator.device_registry import Devices
from tests.emulator.c2d_clock import NOW, FakeClock, message

Hub = tuple[C2dHub, FakeClock]


def make(known: set[str] | None = None, rate: float | None = None, quota: int | None = None) -> Hub:
    clock = FakeClock()
    devices = Devices(b"secret", "localhost", clock, known)
    return C2dHub(devices, TokenBucket(rate, 2), DailyQuota(quota), Feedback("hub"), clock), clock


@pytest.fixture
def made() -> Hub:
    return make()


def condition(hub: C2dHub, sent: Message) -> str | None:
    refusal = hub.send(sent)
    return None if refusal is None else refusal.condition


def statuses(hub: C2dHub, clock: FakeClock) -> list[tuple[str, str]]:
    """Original message id and status of all feedback so far."""
    hub.feedback.flush(clock.now)
    found = []
    while (taken := hub.feedback.take(clock.now)) is not None:
        body = decode_message(taken[1]).body
        assert isinstance(body, Data)
        batch: list[dict[str, Any]] = orjson.loads(body.parts[0])
        found += [(each["originalMessageId"], each["statusCode"]) for each in batch]
        hub.feedback.complete(taken[0], clock.now)
    return found


def test_a_device_gets_its_messages_in_order(made: Hub) -> None:
    hub, _ = made
    for index in range(3):
        assert hub.send(message("d", b"%d" % index, message_id=f"m{index}")) is None
    assert hub.send(message("other")) is None
    for index in range(3):
        delivery = hub.take("d")
        assert delivery is not None
        assert (delivery.device_id, delivery.message_id, delivery.body) == ("d", f"m{index}", b"%d" % index)
        assert (delivery.sequence_number, delivery.delivery_count) == (index + 1, 0)
        assert (delivery.enqueued_ms, delivery.expires_ms) == (NOW * 1000, (NOW + 3600) * 1000)
        hub.complete("d", delivery.lock_token)
    assert hub.take("d") is None
    assert hub.take("nobody") is None
    stats = hub.stats()
    assert (stats.accepted, stats.delivered, stats.completed, stats.queued) == (4, 3, 3, 1)
    assert hub.completed_by_device == {"d": 3}


def test_unknown_devices() -> None:
    hub, _ = make(known={"a"})
    assert condition(hub, message("a")) is None
    assert condition(hub, message("b")) == "amqp:not-found"
    assert condition(hub, message("b/c")) == "amqp:invalid-field"
    assert condition(hub, message("d" * 129)) == "amqp:not-found"
    assert hub.stats().rejected == {"amqp:not-found": 2, "amqp:invalid-field": 1}


def test_fifty_messages_per_device(made: Hub) -> None:
    hub, _ = made
    for _ in range(50):
        assert hub.send(message()) is None
    refusal = hub.send(message())
    assert refusal is not None
    assert refusal.condition == "amqp:resource-limit-exceeded"
    assert "C2D messages enqueued for the device exceeded the queue limit of 50, see more at" in refusal.text
    assert hub.send(message("other")) is None
    delivery = hub.take("d")
    assert delivery is not None
    assert hub.send(message()) is not None
    hub.complete("d", delivery.lock_token)
    assert hub.send(message()) is None


def test_throttling() -> None:
    hub, clock = make(rate=1.0)
    answers = [condition(hub, message()) for _ in range(4)]
    assert answers == [None, None, *["com.microsoft:device-container-throttled"] * 2]
    assert hub.stats().throttled == 2
    clock.now += 1
    assert condition(hub, message()) is None


def test_the_daily_quota_counts_what_was_taken() -> None:
    hub, clock = make(known={"d"}, quota=3)
    assert condition(hub, message("stranger")) == "amqp:not-found"
    assert condition(hub, message(body=bytes(5000))) is None
    assert condition(hub, message(body=bytes(5000))) == "com.microsoft:quota-exceeded"
    assert condition(hub, message()) is None
    assert hub.stats().quota_used == 3
    clock.now += 86_400
    assert condition(hub, message()) is None
    hub.set_daily_quota(0)
    assert condition(hub, message()) == "com.microsoft:quota-exceeded"
    hub.set_daily_quota(None)
    assert condition(hub, message()) is None


def test_messages_expire_with_feedback(made: Hub) -> None:
    hub, clock = made
    past = int((NOW - 1) * 1000)
    assert hub.send(message(ack="negative", message_id="late", absolute_expiry_time=past)) is None
    assert hub.take("d") is None
    assert hub.send(message(ack="full", message_id="soon", absolute_expiry_time=int((NOW + 5) * 1000))) is None
    assert hub.send(message(ack="full", message_id="default")) is None
    clock.now += 5
    hub.tick()
    assert statuses(hub, clock) == [("late", "Expired"), ("soon", "Expired")]
    clock.now += 3600
    hub.tick()
    assert statuses(hub, clock) == [("default", "Expired")]


def test_every_end_has_its_status(made: Hub) -> None:
    hub, clock = made
    for name in ("completed", "rejected", "abandoned", "purged"):
        hub.send(message(ack="full", message_id=name))
    for act in (hub.complete, hub.reject):
        delivery = hub.take("d")
        assert delivery is not None
        act("d", delivery.lock_token)
    for count in range(10):
        delivery = hub.take("d")
        assert delivery is not None
        assert (delivery.message_id, delivery.delivery_count) == ("abandoned", count)
        hub.abandon("d", delivery.lock_token)
    assert hub.purge("d") == 1
    assert hub.purge("nobody") == 0
    assert statuses(hub, clock) == [
        ("completed", "Success"),
        ("rejected", "Rejected"),
        ("abandoned", "DeliveryCountExceeded"),
        ("purged", "Purged"),
    ]


def test_a_lock_token_is_good_for_its_device_and_for_a_minute(made: Hub) -> None:
    hub, clock = made
    hub.send(message("d"))
    hub.send(message("e"))
    delivery = hub.take("d")
    assert delivery is not None
    for device_id in ("e", "nobody"):
        with pytest.raises(LockLost):
            hub.complete(device_id, delivery.lock_token)
    clock.now += 60
    with pytest.raises(LockLost):
        hub.complete("d", delivery.lock_token)
    again = hub.take("d", lock_seconds=300)
    assert again is not None
    clock.now += 299
    hub.complete("d", again.lock_token)


def test_subscribers_hear_of_new_messages_and_of_those_that_come_back(made: Hub) -> None:
    hub, clock = made
    heard: list[str] = []
    hub.watch(heard.append)
    unsubscribe = hub.subscribe("d", lambda: heard.append("own"))
    hub.send(message("d"))
    hub.send(message("e"))
    assert heard == ["d", "own", "e"]
    heard.clear()
    for act in (hub.abandon, hub.release):
        delivery = hub.take("d")
        assert delivery is not None
        act("d", delivery.lock_token)
        assert heard == ["d", "own"]
        heard.clear()
    hub.take("d")
    clock.now += 60
    hub.tick()
    assert heard == ["d", "own"]
    unsubscribe()
    hub.send(message("d"))
    assert heard == ["d", "own", "d"]
