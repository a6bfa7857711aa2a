"""Records on their way to Kafka, each until it is acknowledged or given up: the one place that handles all obstacles.

- **The queue is full**: the record waits, in order. If nothing is on its way, the record is larger than the whole
  queue, and is given up.
- **The client does not accept the record**: it is given up.
- **The broker refuses it**: another record of its batch can be to blame. An `Isolation` says what is sent again, and
  together with what, until a record that is refused alone is given up.
- **No record is to blame**, as for a missing topic or permission: nothing more is sent, and no record is skipped.

The caller handles what is given up; usually it becomes a dead letter with the reason given here.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from confluent_kafka import KafkaError, Message

from ingest.errors import IngestError, RestartRequired, Undeliverable
from ingest.kafka.errors import outcome, reason_of
from ingest.kafka.producer import TOO_LARGE
from ingest.kafka.records import Headers, Record
from ingest.kafka.shipment import OnDelivery

MOST_AT_ONCE = 1_000
"""Records given to the client before it is asked for answers again."""

Item = TypeVar("Item")


class Answer(NamedTuple, Generic[Item]):
    """Kafka's answer to one item."""

    item: Item
    error: KafkaError | None
    """None: acknowledged."""
    partition: int | None
    """The topic's partition; None: unknown."""


class Pool(Protocol):
    """The part of `ProducerPool` that an outbox uses."""

    @property
    def in_flight(self) -> int: ...

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        headers: Headers | None,
        timestamp_ms: int,
        on_delivery: OnDelivery,
    ) -> bool: ...


class Isolation(Protocol[Item]):
    """Decides when items are sent, so that one refused because of another is not given up. Holds all items not on their
    way."""

    together: bool
    """Whether everything that `next` returned is answered before anything else is sent or judged."""

    def __len__(self) -> int:
        """Returns the number of items held."""
        ...

    def next(self, now: float, on_the_way: int) -> Sequence[Item]:
        """Takes out what to send now, while `on_the_way` records are on their way; none: ask again later. `now` is in
        seconds of a monotonic clock."""
        ...

    def settled(self, answers: Sequence[Answer[Item]], now: float) -> Sequence[Item]:
        """Takes back the refused items, in the order of sending. Returns those that are to blame themselves, which it
        no longer holds."""
        ...

    def put_back(self, items: Sequence[Item]) -> None:
        """Puts back items that come next: they were not sent, or their refusal is not judged."""
        ...

    def keep(self, item: Item) -> None:
        """Takes back an item that was to blame but is not given up yet: it is tried again first."""
        ...

    def forget(self, item: Item) -> None:
        """Drops an item that was given up, or acknowledged, without `settled`."""
        ...


class OneByOne(Generic[Item]):
    """Records follow each other without a pause. A record refused with others is sent alone, before anything newer; one
    refused alone is to blame."""

    together = False

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._refused: deque[Item] = deque()
        self._alone: Item | None = None
        """The item that was sent alone, and is not answered."""
        self._not_before = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting) + len(self._refused)

    def add(self, items: Iterable[Item]) -> None:
        """Adds items after all that wait."""
        self._waiting.extend(items)

    def pause(self, until: float) -> None:
        """Sends nothing before this time."""
        self._not_before = until

    def next(self, now: float, on_the_way: int) -> Sequence[Item]:
        if self._alone is not None or now < self._not_before:
            return ()
        if self._refused:
            if on_the_way:
                return ()
            self._alone = self._refused.popleft()
            return [self._alone]
        return [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]

    def settled(self, answers: Sequence[Answer[Item]], now: float) -> Sequence[Item]:
        to_blame: list[Item] = []
        for item, error, _ in answers:
            was_alone = self._landed(item)
            if error is not None:
                (to_blame if was_alone else self._refused).append(item)
        return to_blame

    def put_back(self, items: Sequence[Item]) -> None:
        for item in reversed(items):
            (self._refused if self._landed(item) else self._waiting).appendleft(item)

    def keep(self, item: Item) -> None:
        self._refused.appendleft(item)

    def forget(self, item: Item) -> None:
        self._landed(item)

    def _landed(self, item: Item) -> bool:
        """Whether it was the item sent alone, which is now answered."""
        was_alone = item is self._alone
        if was_alone:
            self._alone = None
        return was_alone


class Outbox(Generic[Item]):
    """Call `poll` on the pool's thread, after the pool has run its callbacks; add items to the isolation."""

    def __init__(
        self,
        pool: Pool,
        isolation: Isolation[Item],
        *,
        topic_of: Callable[[Item], str],
        record: Callable[[Item], Record],
        acked: Callable[[Item], None],
        give_up: Callable[[Item, Undeliverable, KafkaError | None], bool],
        judged: Callable[[Sequence[Answer[Item]]], None] = lambda answers: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`record` makes an item's record, and raises Undeliverable if that is impossible. Each item ends with one call
        of `acked`, or of `give_up` that returns True; False: it is tried again. `give_up` gets Kafka's error if there
        is one. `judged` is called after each judgement of answers."""
        self.errors: Counter[str] = Counter()
        """Refused records, by Kafka's name of the error."""
        self.fault: KafkaError | None = None
        """An error for which no record is to blame: from now on nothing is sent."""
        self._faulty_topic = ""
        self._pool = pool
        self._isolation = isolation
        self._topic_of = topic_of
        self._record = record
        self._acked = acked
        self._give_up = give_up
        self._judged = judged
        self._clock = clock
        self._number = 0
        self._sent: dict[int, Item] = {}
        """Items that are not answered or not judged, in the order of sending."""
        self._answers: dict[int, tuple[KafkaError | None, int | None]] = {}

    def __len__(self) -> int:
        """Returns the number of items that are neither acknowledged nor given up."""
        return len(self._isolation) + len(self._sent)

    @property
    def on_the_way(self) -> int:
        return len(self._sent)

    @property
    def broken(self) -> IngestError | None:
        """Why a new process must replace this one and go on after what is acknowledged; None while all is well."""
        if self.fault is None:
            return None
        return RestartRequired(f"Kafka topic {self._faulty_topic}: {self.fault.name()}: {self.fault.str()}")

    def abandon(self, isolation: Isolation[Item]) -> None:
        """Forgets all items, and ignores the answers to what is on its way; `isolation` is a new one."""
        self._isolation = isolation
        self._sent.clear()
        self._answers.clear()

    def poll(self) -> None:
        """Judges the answers and sends what may be sent now, without waiting."""
        while not (self._isolation.together and self._pool.in_flight):
            answered = sorted(self._answers)
            if answered:
                self.judge([Answer(self._sent.pop(number), *self._answers.pop(number)) for number in answered])
            if self.fault is not None:
                return
            items = self._isolation.next(self._clock(), self._pool.in_flight)
            if not items or not self._send(items):
                return

    def judge(self, answers: Sequence[Answer[Item]]) -> None:
        """Takes in answers, also to what was sent another way; those items are no longer on their way."""
        for item, error, _ in answers:
            if error is None:
                self._acked(item)
                continue
            self.errors[error.name()] += 1
            if outcome(error) == "recycle":
                self.fault = error
                self._faulty_topic = self._topic_of(item)
        if self.fault is not None:
            for item, error, _ in answers:
                if error is None:
                    self._isolation.forget(item)
            self._isolation.put_back([item for item, error, _ in answers if error is not None])
            return
        errors = {id(item): error for item, error, _ in answers}
        for item in self._isolation.settled(answers, self._clock()):
            error = errors[id(item)]
            assert error is not None, "what is acknowledged is not to blame"
            why = Undeliverable(reason_of(error), f"Kafka topic {self._topic_of(item)}: {error.str()}")
            if not self._give_up(item, why, error):
                self._isolation.keep(item)
        self._judged(answers)

    def _send(self, items: Sequence[Item]) -> bool:
        """Returns False if there is no room before something is answered."""
        for place, item in enumerate(items):
            queued, why = False, None
            try:
                queued = self._queue(item)
            except Undeliverable as refusal:
                why = refusal
            if why is not None:
                # Not above: confluent-kafka 2.16 never frees an exception that is being handled when its client raises
                # another, as it does for a dead letter that is too large, too; nor the record, which its frames hold.
                given_up, why = self._give_up(item, why, None), None
                if given_up:
                    self._isolation.forget(item)
                    continue
                self._isolation.put_back(items[place:])
                return True
            if not queued:
                self._isolation.put_back(items[place:])
                return False
        return True

    def _queue(self, item: Item) -> bool:
        number = self._number
        key, value, headers, timestamp_ms = self._record(item)
        queued = self._pool.send(
            self._topic_of(item), key, value, headers, timestamp_ms, partial(self._answered, number)
        )
        if queued:
            self._number += 1
            self._sent[number] = item
        elif not self._pool.in_flight:
            sentence = f"the record of {len(value)} bytes is larger than the client's whole queue"
            raise Undeliverable(TOO_LARGE, f"{sentence}; raise queue.buffering.max.kbytes in [kafka.librdkafka]")
        return queued

    def _answered(self, number: int, error: KafkaError | None, message: Message) -> None:
        if number in self._sent:  # else it was abandoned
            self._answers[number] = error, message.partition()
