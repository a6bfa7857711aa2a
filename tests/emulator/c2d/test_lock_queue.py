from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.c2d.lock_queue import Entry, LockLost, LockQueue, QueueFull
from ingest.emulator.conditions import End

NOW = 1000.0
LATER = NOW + 3600


class Recorded:
    """A queue of text, and how each message ended."""

    def __init__(self, limit: int = 5) -> None:
        self.ends: list[tuple[str, End]] = []
        self.queue: LockQueue[str] = LockQueue(limit=limit, lock_seconds=60, max_deliveries=3, ended=self._ended)

    def _ended(self, entry: Entry[str], end: End, now: float) -> None:
        self.ends.append((entry.item, end))

    def take(self, now: float = NOW) -> Entry[str]:
        entry = self.queue.take(now)
        assert entry is not None
        return entry


@pytest.fixture
def box() -> Recorded:
    return Recorded()


def test_messages_come_in_order_and_end_once(box: Recorded) -> None:
    for item in "abc":
        box.queue.put(item, LATER, NOW)
    for item in "abc":
        entry = box.take()
        assert entry.item == item
        box.queue.complete(entry.lock_token, NOW)
        with pytest.raises(LockLost):
            box.queue.complete(entry.lock_token, NOW)
    assert box.queue.take(NOW) is None
    assert box.ends == [(item, End.COMPLETED) for item in "abc"]


def test_locked_messages_count_against_the_limit(box: Recorded) -> None:
    for item in "abcde":
        box.queue.put(item, LATER, NOW)
    entry = box.take()
    with pytest.raises(QueueFull):
        box.queue.put("f", LATER, NOW)
    box.queue.reject(entry.lock_token, NOW)
    box.queue.put("f", LATER, NOW)
    assert box.ends == [("a", End.REJECTED)]


def test_a_lock_runs_out_without_counting(box: Recorded) -> None:
    box.queue.put("a", LATER, NOW)
    box.queue.put("b", LATER, NOW)
    first = box.take()
    assert not box.queue.tick(NOW + 59.9)
    assert box.queue.tick(NOW + 60)
    with pytest.raises(LockLost):
        box.queue.complete(first.lock_token, NOW + 60)
    again = box.take(NOW + 60)
    assert (again.item, again.abandoned, again.sequence) == ("a", 0, 1)


def test_a_lock_may_be_shorter(box: Recorded) -> None:
    box.queue.put("a", LATER, NOW)
    assert box.queue.take(NOW, lock_seconds=5) is not None
    assert not box.queue.tick(NOW + 4.9)
    assert box.queue.tick(NOW + 5)


def test_an_abandoned_message_returns_to_its_place_until_it_was_too_often(box: Recorded) -> None:
    box.queue.put("a", LATER, NOW)
    box.queue.put("b", LATER, NOW)
    for count in range(3):
        entry = box.take()
        assert (entry.item, entry.abandoned) == ("a", count)
        box.queue.abandon(entry.lock_token, NOW)
    assert box.ends == [("a", End.DELIVERY_COUNT)]
    assert box.take().item == "b"


def test_a_released_message_counts_nothing(box: Recorded) -> None:
    box.queue.put("a", LATER, NOW)
    for _ in range(9):
        entry = box.take()
        assert entry.abandoned == 0
        box.queue.release(entry.lock_token, NOW)
    assert box.ends == []


def test_messages_expire(box: Recorded) -> None:
    box.queue.put("gone", NOW, NOW)
    assert box.ends == [("gone", End.EXPIRED)]
    box.queue.put("a", NOW + 10, NOW)
    box.queue.put("b", NOW + 20, NOW)
    assert box.take(NOW + 10).item == "b"
    assert box.ends[1:] == [("a", End.EXPIRED)]
    assert len(box.queue) == 1


def test_a_locked_message_may_be_completed_after_its_expiry_but_not_come_back(box: Recorded) -> None:
    for end in ("complete", "abandon", "release"):
        box.queue.put(end, NOW + 10, NOW)
    tokens = {entry.item: entry.lock_token for entry in (box.take(), box.take(), box.take())}
    for name, token in tokens.items():
        getattr(box.queue, name)(token, NOW + 30)
    assert box.ends == [("complete", End.COMPLETED), ("abandon", End.EXPIRED), ("release", End.EXPIRED)]


def test_purge_ends_all_in_order(box: Recorded) -> None:
    for item in "abc":
        box.queue.put(item, LATER, NOW)
    lock_token = box.take().lock_token
    assert box.queue.purge(NOW) == 3
    assert box.ends == [(item, End.PURGED) for item in "abc"]
    assert len(box.queue) == 0
    with pytest.raises(LockLost):
        box.queue.complete(lock_token, NOW)


ACTS = st.lists(
    st.tuples(st.sampled_from(["put", "take", "complete", "reject", "abandon", "release", "wait"]), st.integers(0, 90)),
    max_size=60,
)


@given(ACTS)
def test_nothing_is_lost_or_ended_twice(acts: list[tuple[str, int]]) -> None:
    """Whatever happens, each message is in the queue or has ended once, and free messages come oldest first."""
    box, now, put, held = Recorded(limit=8), NOW, 0, list[Entry[str]]()
    for act, number in acts:
        match act:
            case "put":
                try:
                    box.queue.put(str(put), now + number * 3, now)
                    put += 1
                except QueueFull:
                    assert len(box.queue) == 8
            case "take":
                entry = box.queue.take(now)
                if entry is not None:
                    assert entry.expires_at > now
                    held.append(entry)
            case "wait":
                now += number
                box.queue.tick(now)
            case _ if held:
                entry = held.pop(number % len(held))
                with suppress(LockLost):
                    getattr(box.queue, act)(entry.lock_token, now)
        ended = [item for item, _ in box.ends]
        assert len(set(ended)) == len(ended)
        assert len(ended) + len(box.queue) == put
