"""`TransactionalDelivery` above a Kafka in memory that has transactions: what is not committed does not count.

`kill` is what kill -9 does to a partition process: all that it held is gone, and the next one begins behind the last committed
position.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from confluent_kafka import KafkaError

from ingest.config import Cluster, Config, Source
from ingest.errors import Displaced, RestartRequired, Undeliverable
from ingest.hub.position import Position
from ingest.kafka.records import Record, Records
from ingest.kafka.shipment import Refusal, Shipment
from ingest.kafka.transactions import Aborted
from ingest.source.delivery.place import Place
from ingest.source.delivery.transactional import TransactionalDelivery
from ingest.source.events.batch import Batch
from ingest.source.events.event import Event
from ingest.source.ownership import ACKS_SECONDS
from tests.source.delivery.refusing_kafka import BAD, RefusingKafka

STEP_SECONDS = 0.02
POLLS = 50_000
POSITIONS = "ingest-positions"


class TransactionalKafka(RefusingKafka):
    """As `RefusingKafka`; all topics."""

    def __init__(self, seed: int, *, partitions: int = 3, names_culprits: bool = True, batch_records: int = 20) -> None:
        super().__init__(seed, partitions=partitions, names_culprits=names_culprits, batch_records=batch_records)
        self.committed: dict[str, list[Record]] = defaultdict(list)
        """By topic, in the order of commits."""
        self.commits = self.aborts = 0
        self.away = False
        """No broker answers."""
        self.owner: object = None
        """The pool whose transactions are taken; another one is fenced."""
        self.sequence_is_broken = False
        """After an abort for a refused record the next transaction fails, once."""
        self.refuses_letters = 0
        """So many letters are refused."""


class Pool:
    """As much of `TransactionalPool` as `TransactionalDelivery` uses."""

    def __init__(self, kafka: TransactionalKafka, chosen: random.Random, *, room: int = 1_000) -> None:
        self.in_flight = self.in_flight_bytes = 0
        self.trouble: str | None = None
        self.batch_bytes = 100_000
        self.max_record_bytes = 1_000_000
        self.begun = False
        self._kafka = kafka
        self._chosen = chosen
        self._room = room
        self._queued: list[tuple[str, Record, Callable[[KafkaError | None], None]]] = []
        self._pending: list[tuple[str, Record]] = []
        self._failed: KafkaError | None = None
        kafka.owner = self

    @property
    def queued_topics(self) -> list[str]:
        """Of the records that Kafka is to get at the next occasion, in order."""
        return [topic for topic, _, _ in self._queued]

    def displaced(self) -> Displaced:
        return Displaced("another one has its place")

    def begin(self) -> None:
        assert not self.begun, "a transaction is open already"
        self._check()
        self.begun = True

    def offer(self, topic: str, record: Record, refused: Any, partition: int | None = None) -> bool:
        assert self.begun, "no transaction is open"
        if self._failed is not None:
            raise Aborted(None)
        if len(self._queued) >= self._room:
            return False
        if record[1].startswith(b"client"):
            raise Undeliverable("not_sendable", "the client takes no such record")
        self._queue(topic, record, lambda error: refused(error, None) if error is not None else None)
        return True

    def send_all(self, topic: str, records: Records, done: Callable[[Shipment], None]) -> int:
        assert self.begun, "no transaction is open"
        taken = list(records)[: self._room - len(self._queued)]
        clients = (place for place, record in enumerate(taken) if record[1].startswith(b"client"))
        taken = taken[: next(clients, len(taken))]
        refused: list[Refusal] = []
        missing = len(taken)

        def answered(place: int, error: KafkaError | None) -> None:
            nonlocal missing
            missing -= 1
            if error is not None:
                refused.append(Refusal(place, error, 0))
            if not missing:
                done(Shipment(len(taken), 0, refused))

        for place, record in enumerate(taken):
            self._queue(topic, record, partial(answered, place))
        return len(taken)

    def _queue(self, topic: str, record: Record, answered: Callable[[KafkaError | None], None]) -> None:
        self._queued.append((topic, record, answered))
        self.in_flight += 1
        self.in_flight_bytes += len(record[1])

    def poll(self, timeout: float) -> None:
        self.flush(timeout)

    def flush(self, timeout: float) -> None:
        if self._kafka.away:
            return
        self._check()
        queued, self._queued = self._queued, []
        placed: dict[tuple[str, int], list[Any]] = defaultdict(list)
        for each in queued:
            placed[each[0], self._kafka.partition_of(each[1][0]) if each[0] == "iotin" else 0].append(each)
        for (topic, partition), records in placed.items():
            for batch in self._kafka.cut(records):
                for (_, record, answered), error in zip(batch, self._answers(topic, partition, batch), strict=True):
                    self._answer(record, error, answered)
                    if error is None:
                        self._pending.append((topic, record))
                    else:
                        self._failed = error

    def _answers(self, topic: str, partition: int, batch: Sequence[Any]) -> list[KafkaError | None]:
        kafka = self._kafka
        if self._failed is not None:
            return [KafkaError(KafkaError._PURGE_QUEUE)] * len(batch)
        if kafka.sequence_is_broken:
            kafka.sequence_is_broken = False
            return [KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)] * len(batch)
        if topic == "iotin.dead" and kafka.refuses_letters:
            kafka.refuses_letters -= 1
            return [KafkaError(KafkaError.INVALID_RECORD)] * len(batch)
        if topic != "iotin":
            return [None] * len(batch)
        return kafka.append(partition, [record for _, record, _ in batch])

    def _answer(self, record: Record, error: KafkaError | None, answered: Callable[[KafkaError | None], None]) -> None:
        self.in_flight -= 1
        self.in_flight_bytes -= len(record[1])
        answered(error)

    def commit(self, seconds: float) -> bool:
        assert self.begun, "no transaction is open"
        if self._kafka.away or self._chosen.random() < 0.3:
            return False
        self.flush(seconds)
        if self._failed is not None:
            raise Aborted(self._failed)
        assert self._pending, "an empty transaction"
        for topic, record in self._pending:
            self._kafka.committed[topic].append(record)
        self._kafka.commits += 1
        self._over()
        return True

    def abort(self, seconds: float) -> bool:
        assert self.begun, "no transaction is open"
        if self._kafka.away or self._chosen.random() < 0.3:
            return False
        self._check()
        queued, self._queued = self._queued, []
        for _, record, answered in queued:
            self._answer(record, KafkaError(KafkaError._PURGE_QUEUE), answered)
        self._kafka.sequence_is_broken = self._failed is not None and self._failed.code() == KafkaError.INVALID_RECORD
        self._kafka.aborts += 1
        self._over()
        return True

    def _over(self) -> None:
        self._pending, self._failed, self.begun = [], None, False

    def _check(self) -> None:
        if self._kafka.owner is not self:
            raise self.displaced()


class Rig:
    """One partition's process after another, with a clock of its own; the events are numbered from 0 without gaps."""

    def __init__(
        self,
        kafka: TransactionalKafka,
        seed: int = 0,
        *,
        per_minute: int = 0,
        room: int = 1_000,
        cluster: Cluster | None = None,
    ) -> None:
        self.now = 1_000.0
        self.kafka = kafka
        self.written: Counter[str] = Counter()
        self._chosen = random.Random(seed)
        self._per_minute = per_minute
        self._room = room
        self._cluster = cluster or Cluster()
        self._stream: Sequence[Event] = []
        self.start()

    def start(self) -> None:
        self.pool = Pool(self.kafka, self._chosen, room=self._room)
        self.delivery = TransactionalDelivery(
            Config(source=Source(format="toy", max_dead_letters_per_minute=self._per_minute), cluster=self._cluster),
            "0",
            self.pool,  # type: ignore[arg-type]
            Place(POSITIONS, 0, b"key", lambda position: b"%d" % position.sequence_number),
            topic_partitions=self.kafka.partitions,
            clock=lambda: self.now,
        )

    kill = start

    @property
    def next(self) -> int:
        """The first event behind the committed position."""
        positions = self.kafka.committed[POSITIONS]
        return int(positions[-1][1]) + 1 if positions else 0

    def poll(self) -> None:
        self.delivery.poll(0.1)
        self.now += STEP_SECONDS

    def doubt(self) -> None:
        """As `Ownership` does it: forgets what is not committed, waits for an answer, and goes on behind what is."""
        self.delivery.abandon()
        until = self.now + ACKS_SECONDS
        while self.delivery.on_the_way and self.now < until:
            self.poll()
        try:
            self.delivery.begin(self.delivery.position)
        except RestartRequired:
            self.kill()
        position = self.delivery.position
        assert position is None or position.sequence_number + 1 == self.next

    def rewind(self) -> None:
        """As `Ownership` does it: goes on behind what is committed."""
        self.delivery.begin(self.delivery.position)

    def give(self, events: Sequence[Event]) -> None:
        """The stream has these events, too. They are given now, and again if they are asked for."""
        self._stream = [*self._stream, *events]
        self.delivery.send(Batch.of(events))

    def settle(self) -> None:
        while not self.delivery.idle:
            self.step()

    def step(self) -> None:
        if self.delivery.rewinds:
            self.rewind()
            self.delivery.send(Batch.of(self._stream[self.next :]))
        self.poll()

    def run(self, stream: Sequence[Event], *, batch: int = 50, kills: float = 0, doubts: float = 0) -> None:
        """Gives the whole stream, as there is room, and lets it end. `kills`, `doubts`: how probable one is at each of the first
        steps. Not of all: a process that lives for a second at no time never finds out which record is bad."""
        given = self.next
        for step in range(POLLS):
            if self.delivery.rewinds:
                self.rewind()
                given = self.next
            stormy = step < POLLS // 10
            if stormy and self._chosen.random() < kills:
                self.kill()
                given = self.next
            if stormy and self._chosen.random() < doubts:
                self.doubt()
                given = self.next
            if given < len(stream) and self.delivery.room:
                events = stream[given : given + batch]
                self.delivery.send(Batch.of(events))
                given += len(events)
            elif self.delivery.idle:
                return
            self.poll()
        pytest.fail(f"never idle: {self.delivery.trouble}")

    @property
    def dead(self) -> list[tuple[int, str]]:
        """(Sequence number, reason), in order."""
        found = []
        for _, _, headers, _ in self.kafka.committed["iotin.dead"]:
            named = {name: str(value, "ascii") for name, value in headers or () if isinstance(value, bytes)}
            found.append((int(named["ingest-sequence-number"]), named["ingest-reason"]))
        return found


REASONS = {BAD: "invalid_record", b"encoder": "not_encodable", b"undeliverable": "body_type", b"client": "not_sendable"}


def check(rig: Rig, stream: Sequence[Event]) -> None:
    """Every good event is committed once, in the order of its device, every other one is a dead letter, once, and no position
    was committed without what belongs to it."""
    arrived: dict[bytes | None, list[int]] = defaultdict(list)
    for key, value, _, _ in rig.kafka.committed["iotin"]:
        arrived[key].append(int(value))
    expected: dict[bytes | None, list[int]] = defaultdict(list)
    for event in stream:
        if event.body.isdigit():
            expected[event.device_id.encode() if event.device_id else None].append(int(event.body))
    arrived[None].sort()  # without a key there is no order over partitions
    expected[None].sort()
    assert arrived == expected
    wrong = [(event.sequence_number, REASONS[event.body]) for event in stream if not event.body.isdigit()]
    assert rig.dead == wrong
    numbers = [int(value) for _, value, _, _ in rig.kafka.committed[POSITIONS]]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == len(stream) - 1
    assert rig.delivery.position in (None, stream[-1].position)


def at(sequence: int) -> Position:
    return Position(str(sequence * 10), sequence)
