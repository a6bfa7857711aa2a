"""A Kafka in memory that refuses as brokers do: whole batches for one record in them, or everything for a while.

It stands in for `ProducerPool` below `Delivery`. Time is a number that the test moves.
"""

import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError

from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import DeadLetter
from ingest.kafka.records import Record, Records
from ingest.kafka.shipment import Refusal, Shipment

BAD = b"bad"
"""A record whose value begins so is refused, and so is its batch."""


class _Report:
    def __init__(self, partition: int) -> None:
        self._partition = partition

    def partition(self) -> int:
        return self._partition


class RefusingKafka:
    """The cluster: what its topic holds, and what it refuses now."""

    def __init__(self, seed: int, *, partitions: int, names_culprits: bool, batch_records: int = 0) -> None:
        self.log: dict[int, list[Record]] = defaultdict(list)
        self.failing: set[int] = set()
        """Partitions that refuse everything."""
        self.failure = KafkaError.INVALID_TIMESTAMP
        self.most_bytes = 1_000_000
        """Of a batch."""
        self.requests = 0
        self.partitions = partitions
        self._random = random.Random(seed)
        self._mended = False
        self._names_culprits = names_culprits
        self._batch_records = batch_records

    def mend(self) -> None:
        """Nothing is bad any more."""
        self._mended = True

    def partition_of(self, key: bytes | None) -> int:
        return self._random.randrange(self.partitions) if key is None else zlib.crc32(key) % self.partitions

    def cut(self, records: Sequence[Any]) -> list[Sequence[Any]]:
        """Into batches of random sizes up to `batch_records`, as bytes and time would; 0: all in one."""
        batches = []
        while records:
            size = self._random.randint(1, self._batch_records) if self._batch_records else len(records)
            batches.append(records[:size])
            records = records[size:]
        return batches

    def append(self, partition: int, batch: Sequence[Record]) -> list[KafkaError | None]:
        """One answer for each record."""
        self.requests += 1
        if partition in self.failing:
            return [KafkaError(self.failure)] * len(batch)
        if sum(len(record[1]) for record in batch) > self.most_bytes:
            return [KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)] * len(batch)
        bad = [record[1].startswith(BAD) and not self._mended for record in batch]
        if not any(bad):
            self.log[partition] += batch
            return [None] * len(batch)
        innocent = KafkaError._INVALID_DIFFERENT_RECORD if self._names_culprits else KafkaError.INVALID_RECORD
        return [KafkaError(KafkaError.INVALID_RECORD if each else innocent) for each in bad]


class Pool:
    """As much of `ShippingPool` as `Delivery` uses."""

    def __init__(self, kafka: RefusingKafka, *, room: int = 1_000) -> None:
        self.in_flight = 0
        self.in_flight_bytes = 0
        self.trouble: str | None = None
        self.batch_bytes = 1_000_000
        self.max_record_bytes = 1_000_000
        self._kafka = kafka
        self._room = room
        self._queued: list[tuple[Record, Callable[[KafkaError | None, int], None]]] = []

    def start(self) -> None: ...

    def close(self) -> None: ...

    def limit(self, max_record_bytes: int) -> None:
        assert not self.in_flight
        self.max_record_bytes = max_record_bytes

    def send(
        self, topic: str, key: bytes | None, value: bytes, headers: Any, timestamp_ms: int, on_delivery: Any
    ) -> bool:
        if len(self._queued) == self._room:
            return False
        if len(value) > self.max_record_bytes:
            raise Undeliverable("too_large", f"the record has {len(value)} bytes")

        def answered(error: KafkaError | None, partition: int) -> None:
            self.in_flight -= 1
            on_delivery(error, _Report(partition))

        self._queued.append(((key, value, headers, timestamp_ms), answered))
        self.in_flight += 1
        return True

    def send_all(self, topic: str, records: Records, done: Callable[[Shipment], None]) -> int:
        taken = list(records)[: self._room - len(self._queued)]
        large = (place for place, record in enumerate(taken) if len(record[1]) > self.max_record_bytes)
        taken = taken[: next(large, len(taken))]
        refused: list[Refusal] = []
        missing = len(taken)

        def answered(place: int, error: KafkaError | None, partition: int) -> None:
            nonlocal missing
            missing -= 1
            if error is not None:
                refused.append(Refusal(place, error, partition))
            if not missing:
                self.in_flight -= len(taken)
                done(Shipment(len(taken), 0, refused))

        for place, record in enumerate(taken):
            self._queued.append((record, partial(answered, place)))
        self.in_flight += missing
        return len(taken)

    def flush(self, timeout: float) -> None:
        queued, self._queued = self._queued, []
        placed = defaultdict(list)
        for record, answered in queued:
            placed[self._kafka.partition_of(record[0])].append((record, answered))
        for partition, records in placed.items():
            for batch in self._kafka.cut(records):
                answers = self._kafka.append(partition, [record for record, _ in batch])
                for (_, answered), error in zip(batch, answers, strict=True):
                    answered(error, partition)


class DeadLetterShelf:
    """As much of `DeadLetterTopic` as `DeadLetters` uses."""

    def __init__(self) -> None:
        self.topic = "iotin.dead"
        self.letters: list[tuple[str, DeadLetter]] = []
        self.written: Counter[str] = Counter()
        self.in_flight = 0
        self.broken = None
        self.trouble: str | None = None

    def send(self, letter: DeadLetter, reason: str, done: Callable[[], None]) -> None:
        self.letters.append((reason, letter))
        self.written[reason] += 1
        done()

    def poll(self) -> None: ...
