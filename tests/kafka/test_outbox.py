"""Every record ends once, acknowledged or given up with its reason, whatever Kafka in memory does with the batches."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import RestartRequired, Undeliverable
from ingest.kafka.outbox import OneByOne, Outbox
from ingest.kafka.records import Record

GOOD, REFUSED, UNSENDABLE, NO_RECORD, HUGE = "good", "refused", "unsendable", "no record", "huge"
KINDS = st.sampled_from([GOOD] * 6 + [REFUSED, UNSENDABLE, NO_RECORD, HUGE])
REASONS = {REFUSED: "invalid_record", UNSENDABLE: "not_sendable", NO_RECORD: "body_type", HUGE: "too_large"}
MOST_POLLS = 10_000


class _Report:
    def partition(self) -> int:
        return 0


class Pool:
    """A producer with room for some records, above a broker that refuses whole batches for one record."""

    def __init__(self, seed: int, room: int) -> None:
        self.in_flight = 0
        self.log: list[bytes] = []
        self.fault: int | None = None
        self.requests: list[list[bytes]] = []
        self._random = random.Random(seed)
        self._room = room
        self._queue: deque[tuple[bytes, Callable[[KafkaError | None, Any], None]]] = deque()

    def send(
        self, topic: str, key: bytes | None, value: bytes, headers: Any, timestamp_ms: int, on_delivery: Any
    ) -> bool:
        if value.endswith(UNSENDABLE.encode()):
            raise Undeliverable("not_sendable", "the client takes no such record")
        if value.endswith(HUGE.encode()) or len(self._queue) == self._room:
            return False
        self._queue.append((value, on_delivery))
        self.in_flight += 1
        return True

    def answer(self) -> None:
        """To one batch, of a size that follows from the time it had."""
        count = self._random.randint(1, len(self._queue)) if self._queue else 0
        batch = [self._queue.popleft() for _ in range(count)]
        values = [value for value, _ in batch]
        error = None
        if self.fault is not None:
            error = KafkaError(self.fault)
        elif any(value.endswith(REFUSED.encode()) for value in values):
            error = KafkaError(KafkaError.INVALID_RECORD)
        else:
            self.log += values
        if batch:
            self.requests.append(values)
        for _, on_delivery in batch:
            self.in_flight -= 1
            on_delivery(error, _Report())


@dataclass(eq=False)
class Item:
    number: int
    kind: str

    @property
    def value(self) -> bytes:
        return f"{self.number} {self.kind}".encode()


class Bench:
    def __init__(self, seed: int = 1, room: int = 100, *, gives_up: Callable[[Item], bool] = lambda item: True) -> None:
        self.pool = Pool(seed, room)
        self.items: OneByOne[Item] = OneByOne()
        self.acked: list[int] = []
        self.given_up: dict[int, Undeliverable] = {}
        self._gives_up = gives_up
        self.now = 0.0
        self.outbox = Outbox(
            self.pool,
            self.items,
            topic_of=lambda _: "topic",
            record=self._record,
            acked=lambda item: self.acked.append(item.number),
            give_up=self._give_up,
            clock=lambda: self.now,
        )

    def _record(self, item: Item) -> Record:
        if item.kind == NO_RECORD:
            raise Undeliverable("body_type", "no record of it")
        return None, item.value, None, 0

    def _give_up(self, item: Item, why: Undeliverable, error: KafkaError | None) -> bool:
        assert item.number not in self.given_up
        if self._gives_up(item):
            self.given_up[item.number] = why
            return True
        return False

    def add(self, *kinds: str) -> None:
        start = len(self.acked) + len(self.given_up) + len(self.outbox)
        self.items.add(Item(start + place, kind) for place, kind in enumerate(kinds))

    def settle(self) -> None:
        for _ in range(MOST_POLLS):
            self.outbox.poll()
            if not len(self.outbox) or self.outbox.fault is not None:
                return
            self.pool.answer()
        pytest.fail("never settled")


@given(st.lists(st.lists(KINDS, max_size=20), max_size=4), st.integers(1, 12), st.integers(0, 1_000))
def test_every_record_ends_once_and_only_bad_ones_are_given_up(rounds: list[list[str]], room: int, seed: int) -> None:
    bench = Bench(seed, room)
    kinds = [kind for kinds in rounds for kind in kinds]
    for each in rounds:
        bench.add(*each)
        bench.outbox.poll()
        bench.pool.answer()
    bench.settle()
    assert sorted(bench.acked) == [number for number, kind in enumerate(kinds) if kind == GOOD]
    assert {number: why.reason for number, why in bench.given_up.items()} == {
        number: REASONS[kind] for number, kind in enumerate(kinds) if kind != GOOD
    }
    assert sorted(bench.pool.log) == sorted(f"{number} {GOOD}".encode() for number in bench.acked)


def test_what_is_refused_with_others_is_sent_alone_before_anything_newer() -> None:
    bench = Bench()
    bench.add(GOOD, REFUSED, GOOD)
    bench.outbox.poll()
    while bench.pool.in_flight:
        bench.pool.answer()
    bench.add(GOOD)
    first = len(bench.pool.requests)
    bench.settle()
    alone = bench.pool.requests[first:]
    assert b"3 good" in alone[-1]
    assert all(len(values) == 1 for values in alone[:-1])
    assert str(bench.given_up[1]) == f"Kafka topic topic: {KafkaError(KafkaError.INVALID_RECORD).str()}"


def test_a_record_larger_than_the_whole_queue_is_given_up_with_the_fix() -> None:
    bench = Bench()
    bench.add(GOOD, HUGE, GOOD)
    bench.settle()
    assert bench.acked == [0, 2]
    assert "queue.buffering.max.kbytes" in str(bench.given_up[1])


def test_what_is_not_given_up_is_tried_again_first() -> None:
    tries: list[int] = []

    def gives_up(item: Item) -> bool:
        tries.append(item.number)
        item.kind = GOOD if len(tries) == 3 else item.kind
        return False

    bench = Bench(gives_up=gives_up)
    bench.add(REFUSED, GOOD)
    bench.settle()
    assert tries == [0, 0, 0]
    assert sorted(bench.acked) == [0, 1]


def test_a_pause_holds_everything_back() -> None:
    bench = Bench()
    bench.items.pause(5.0)
    bench.add(GOOD)
    bench.outbox.poll()
    assert not bench.pool.in_flight
    bench.now = 5.0
    bench.settle()
    assert bench.acked == [0]


def test_a_fault_of_no_record_gives_nothing_up_and_sends_nothing_more() -> None:
    bench = Bench(room=2)
    bench.add(GOOD, REFUSED, GOOD)
    bench.pool.fault = KafkaError.TOPIC_AUTHORIZATION_FAILED
    bench.settle()
    with pytest.raises(RestartRequired, match="topic topic: TOPIC_AUTHORIZATION_FAILED"):
        raise bench.outbox.broken or AssertionError
    while bench.pool.in_flight:
        bench.pool.answer()
    requests = len(bench.pool.requests)
    bench.outbox.poll()
    assert (bench.acked, bench.given_up) == ([], {})
    assert len(bench.outbox) == 3
    assert not bench.pool.in_flight
    assert len(bench.pool.requests) == requests


def test_a_record_that_is_refused_alone_for_what_is_no_fault_of_its_is_not_given_up() -> None:
    bench = Bench()
    bench.add(REFUSED)
    bench.outbox.poll()
    bench.pool.answer()
    bench.outbox.poll()
    bench.pool.fault = KafkaError.UNKNOWN_TOPIC_OR_PART
    bench.settle()
    assert bench.given_up == {}
    assert len(bench.outbox) == 1


def test_answers_to_what_was_abandoned_are_nobodys() -> None:
    bench = Bench()
    bench.add(GOOD, GOOD)
    bench.outbox.poll()
    bench.items = OneByOne()
    bench.outbox.abandon(bench.items)
    bench.add(GOOD)
    bench.settle()
    assert bench.acked == [0]
    assert not len(bench.outbox)
