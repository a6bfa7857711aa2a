from typing import Any

import orjson
import pytest

from ingest.amqp.message import Data, decode_message
from ingest.emulator.c2d import feedback as module
from ingest.emulator.c2d.feedback import Feedback, is_wanted
from ingest.emulator.c2d.lock_queue import LockLost
from ingest.emulator.c2d.message import parse
from ingest.emulator.conditions import End
from tests.emulator.c2d_clock import NOW, message


def add(feedback: Feedback, count: int, now: float = NOW) -> None:
    for index in range(count):
        feedback.add(parse(message("d", ack="full", message_id=f"m{index}")), End.COMPLETED, now)


def records(encoded: bytes) -> list[dict[str, Any]]:
    body = decode_message(encoded).body
    assert isinstance(body, Data)
    found: list[dict[str, Any]] = orjson.loads(body.parts[0])
    return found


@pytest.mark.parametrize(
    ("ack", "good", "bad"),
    [("none", False, False), ("positive", True, False), ("negative", False, True), ("full", True, True)],
)
def test_who_is_told(ack: str, good: bool, bad: bool) -> None:
    assert is_wanted(ack, End.COMPLETED) is good
    for end in set(End) - {End.COMPLETED}:
        assert is_wanted(ack, end) is bad


def test_a_batch_leaves_15_seconds_after_its_first_record() -> None:
    feedback = Feedback("hub")
    add(feedback, 1)
    feedback.tick(NOW + 10)
    add(feedback, 1, NOW + 10)
    feedback.tick(NOW + 14.9)
    assert feedback.waiting == 0
    feedback.tick(NOW + 15)
    assert feedback.waiting == 1
    taken = feedback.take(NOW + 15)
    assert taken is not None
    sent = decode_message(taken[1])
    assert sent.properties is not None
    assert (sent.properties.content_type, sent.properties.user_id) == (module.CONTENT_TYPE, b"hub")
    assert sent.message_annotations == {"iothub-enqueuedtime": (NOW + 15) * 1000}
    first, second = records(taken[1])
    assert first == {
        "originalMessageId": "m0",
        "description": "Success",
        "deviceGenerationId": first["deviceGenerationId"],
        "deviceId": "d",
        "enqueuedTimeUtc": "2023-11-14T22:13:20.000Z",
        "statusCode": "Success",
    }
    assert second["enqueuedTimeUtc"] == "2023-11-14T22:13:30.000Z"


def test_a_batch_leaves_with_64_records() -> None:
    feedback = Feedback("hub")
    add(feedback, 130)
    assert feedback.waiting == 2
    sizes = []
    while (taken := feedback.take(NOW)) is not None:
        sizes.append(len(records(taken[1])))
        feedback.complete(taken[0], NOW)
    assert sizes == [64, 64]
    feedback.flush(NOW)
    feedback.flush(NOW)
    assert feedback.waiting == 1
    assert feedback.records == 130
    assert feedback.batch_ends == {End.COMPLETED: 2}


def test_a_batch_that_is_not_completed_comes_again_ten_times_at_most() -> None:
    feedback = Feedback("hub")
    add(feedback, 64)
    taken = feedback.take(NOW)
    assert taken is not None
    feedback.release(taken[0], NOW)
    for _ in range(module.MAX_DELIVERIES):
        again = feedback.take(NOW)
        assert again is not None
        assert again[1] == taken[1]
        feedback.abandon(again[0], NOW)
    assert feedback.take(NOW) is None
    add(feedback, 64)
    late = feedback.take(NOW)
    assert late is not None
    feedback.tick(NOW + 60)
    assert feedback.waiting == 1
    with pytest.raises(LockLost):
        feedback.complete(late[0], NOW + 60)
    feedback.tick(NOW + 3600)
    assert feedback.waiting == 0


def test_memory_is_bounded_when_nobody_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BATCHES", 2)
    feedback = Feedback("hub")
    add(feedback, 64 * 5)
    assert (feedback.waiting, feedback.dropped) == (2, 3)
