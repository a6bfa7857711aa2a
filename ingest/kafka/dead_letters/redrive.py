"""Sends dead letters back to the topics that they came from, or were on their way to, each once.

The progress of runs is kept in Kafka, as the committed offsets of a consumer group without members: one for all
reasons, and one for each reason that a run was limited to. A record is done once either group has passed it.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingest.config import Kafka
from ingest.errors import IngestError, Refused, Undeliverable, Unreachable
from ingest.kafka.admin import Topics
from ingest.kafka.bounded_reader import CONSUMER, BoundedReader, Ends, ends_of
from ingest.kafka.client import new_consumer, settings
from ingest.kafka.dead_letters.originals import Originals, letter_of
from ingest.kafka.dead_letters.restore import NOW, Again, Letter, is_omitted, place_of, reason_of, redriven
from ingest.kafka.outbox import OneByOne, Outbox
from ingest.kafka.producer import ProducerPool
from ingest.kafka.raw_names import raw_names
from ingest.kafka.records import Headers, Record
from ingest.kafka.shipment import OnDelivery
from ingest.timing import Deadline

CHUNK_RECORDS = 500
"""Records sent between two commits: the most that the run after a killed one sends again."""
ANSWER_SECONDS = 30.0
LARGEST_BYTES = 32 << 20
"""Larger than any event or command. The broker decides for each record whether the topic takes it."""
_POLL_SECONDS = 0.2

Restore: TypeAlias = Callable[[Letter], Again]
"""Makes the record of a letter whose original was not a record. Raises Undeliverable if that is impossible, Refused or
Unreachable if it can be possible later."""


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    total: int = 0
    """Records between the position and the end of the topic when the run began."""
    read: int = 0
    matched: int = 0
    """Records of the wanted reason, not redriven before."""
    sent: int = 0
    """Acknowledged by Kafka."""
    before: int = 0
    """Redriven by an earlier run that was limited to their reason."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Not of the wanted reason, by their own reason."""
    refused: Counter[str] = field(default_factory=Counter)
    """Matched, but cannot be sent again, by cause."""
    sentences: dict[str, str] = field(default_factory=dict)
    """The cause, for the first such record."""


@dataclass(slots=True, eq=False)
class _Redriven:
    """A letter and the record made of it."""

    message: Message
    again: Again


class _RawNamesPool(ProducerPool):
    """A pool whose headers keep the names that they were read with."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        headers: Headers | None,
        timestamp_ms: int,
        on_delivery: OnDelivery,
    ) -> bool:
        with raw_names(headers or ()) as named:
            return super().send(topic, key, value, named, timestamp_ms, on_delivery)


def group_of(topic: str, reason: str | None) -> str:
    """Returns the consumer group that keeps the position of runs for this reason; None: for all reasons."""
    return f"ingest-redrive-{topic}" + ("" if reason is None else f"-{reason}")


class Redrive:
    """One run. Call `run` once, on one thread."""

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        *,
        reason: str | None = None,
        start_over: bool = False,
        dry_run: bool = False,
        rate: float | None = None,
        restore: Restore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reason`: only these records. `start_over`: includes those redriven before. `rate`: records/s at most."""
        self.tally = Tally()
        self._settings = settings(kafka)
        self._topic = topic
        self._reason = reason
        self._start_over = start_over
        self._dry_run = dry_run
        self._rate = rate
        self._clock = clock
        self._next_at = clock()
        self._restore = restore
        self._pool = _RawNamesPool(kafka, client_id="ingest-redrive", max_record_bytes=LARGEST_BYTES)
        self._records: OneByOne[_Redriven] = OneByOne()
        self._outbox = Outbox(
            self._pool,
            self._records,
            topic_of=lambda redriven: redriven.again.topic,
            record=self._record,
            acked=self._sent,
            give_up=self._give_up,
        )
        self._originals = Originals(self._settings, group_of(topic, reason))
        self._topics = Topics(self._settings)
        self._known_topics: set[str] = set()
        self._done_for: dict[str, dict[int, int]] = {}
        """Reason → partition → the offset before which everything of that reason is redriven."""

    def run(self, progress: Callable[[Tally], None] = lambda _: None) -> Tally:
        """Redrives what is in the topic now; calls `progress` a few times a second.

        Raises Refused if a topic does not exist or takes no records, Unreachable if Kafka does not answer. The position
        is then after the last acknowledged records.
        """
        partitions = self._topics.describe(self._topic, ANSWER_SECONDS)
        group = group_of(self._topic, self._reason)
        consumer = new_consumer({**CONSUMER, **self._settings, "group.id": group})
        self._pool.start()
        try:
            ends = ends_of(consumer, self._topic, partitions, Deadline(ANSWER_SECONDS))
            own = self._committed(consumer, ends)
            starts = self._starts(ends, own)
            self.tally.total = sum(ends[partition].high - start for partition, start in starts.items())
            spans = {partition: (start, ends[partition].high) for partition, start in starts.items()}
            self._read(consumer, BoundedReader(consumer, self._topic, spans), own, progress)
        finally:
            self._pool.terminate()
            self._originals.close()
            consumer.close()
        return self.tally

    def _starts(self, ends: Mapping[int, Ends], own: Mapping[int, int]) -> dict[int, int]:
        if self._start_over:
            return {partition: low for partition, (low, _) in ends.items()}
        everything = own if self._reason is None else self._done(None, ends)
        return {
            partition: min(high, max(low, own.get(partition, 0), everything.get(partition, 0)))
            for partition, (low, high) in ends.items()
        }

    def _read(
        self, consumer: Consumer, stretch: BoundedReader, own: dict[int, int], progress: Callable[[Tally], None]
    ) -> None:
        # About one second's records, so that little is repeated after a kill however slow the rate.
        chunk = CHUNK_RECORDS if self._rate is None else max(1, min(CHUNK_RECORDS, int(self._rate)))
        silence = Deadline(ANSWER_SECONDS)
        while not stretch.done:
            messages = stretch.poll(chunk, _POLL_SECONDS)
            if messages or stretch.done:
                silence = Deadline(ANSWER_SECONDS)
            elif silence.expired:
                raise Unreachable(f"topic {self._topic} cannot be read: {stretch.trouble}")
            stopped, reached = self._take_all(messages, stretch, progress)
            self._settle(progress)
            if not self._dry_run:
                self._commit(consumer, own, reached)
            if stopped is not None:
                raise stopped
            progress(self.tally)

    def _take_all(
        self, messages: Sequence[Message], stretch: BoundedReader, progress: Callable[[Tally], None]
    ) -> tuple[IngestError | None, Mapping[int, int]]:
        """Returns what prevents the run from going on, and partition → the offset before which everything is sent."""
        for index, message in enumerate(messages):
            try:
                self._take(message, stretch, progress)
            except IngestError as error:
                left = {left.partition() or 0: left.offset() or 0 for left in reversed(messages[index:])}
                return error, {**stretch.next, **left}
        return None, stretch.next

    def _take(self, message: Message, stretch: BoundedReader, progress: Callable[[Tally], None]) -> None:
        tally = self.tally
        letter = letter_of(message)
        reason = reason_of(letter.headers)
        tally.read += 1
        if self._reason is not None and reason != self._reason:
            tally.skipped[reason] += 1
            return
        if self._reason is None and not self._start_over:
            partition, offset = message.partition(), message.offset()
            if (-1 if offset is None else offset) < self._done(reason, stretch.next).get(partition or 0, 0):
                tally.before += 1
                return
        tally.matched += 1
        try:
            again = self._again(letter)
            if not self._dry_run:
                self._pace(progress)
                self._send(_Redriven(message, again))
        except Undeliverable as why:
            self._refuse(message, why.reason, str(why))

    def _again(self, letter: Letter) -> Again:
        place = place_of(self._topic, letter.headers)
        if place is None:
            if self._restore is None:
                raise Undeliverable("no_origin", "its original was no Kafka record")
            again = self._restore(letter)
            self._check_topic(again.topic)
            return again._replace(headers=redriven(again.headers, letter.headers))
        self._check_topic(place.topic)
        key, value, headers = self._originals.read(place) if is_omitted(letter.headers) else letter
        return Again(place.topic, key, value, redriven(headers, headers), NOW)

    def _send(self, redriven: _Redriven) -> None:
        self._records.add([redriven])
        self._outbox.poll()  # what finds no room waits for `_settle`

    @staticmethod
    def _record(redriven: _Redriven) -> Record:
        again = redriven.again
        return again.key, again.value, again.headers, again.timestamp_ms

    def _sent(self, _: _Redriven) -> None:
        self.tally.sent += 1

    def _give_up(self, redriven: _Redriven, why: Undeliverable, error: KafkaError | None) -> bool:
        again = redriven.again
        if error is not None and error.code() == KafkaError.INVALID_TIMESTAMP and again.timestamp_ms != NOW:
            redriven.again = again._replace(timestamp_ms=NOW)
            return False
        self._refuse(redriven.message, why.reason, str(why))
        return True

    def _refuse(self, message: Message, code: str, sentence: str) -> None:
        self.tally.refused[code] += 1
        where = f"{self._topic}[{message.partition()}] at {message.offset()}"
        self.tally.sentences.setdefault(code, f"{where}: {sentence}")

    def _pace(self, progress: Callable[[Tally], None]) -> None:
        if self._rate is None:
            return
        while (wait := self._next_at - self._clock()) > 0:
            self._pool.poll(min(_POLL_SECONDS, wait))
            progress(self.tally)
        self._next_at = max(self._next_at, self._clock()) + 1 / self._rate

    def _settle(self, progress: Callable[[Tally], None]) -> None:
        """Waits until everything sent is acknowledged or refused, or ends the run."""
        complete = True
        while complete and len(self._outbox) and self._outbox.fault is None:
            complete = self._pool.join(Deadline(ANSWER_SECONDS), while_waiting=lambda: progress(self.tally))
            self._outbox.poll()
        if self._outbox.fault is not None:
            raise Refused(
                f"Kafka refuses redriven records: {self._outbox.fault.str()}; the next run sends again what it had not "
                "acknowledged"
            )
        if not complete:
            raise Unreachable(
                f"Kafka has not acknowledged {self._pool.in_flight} records in {ANSWER_SECONDS:g} s; the next run sends "
                "them again"
            )

    def _check_topic(self, topic: str) -> None:
        if topic not in self._known_topics:
            self._topics.describe(topic, ANSWER_SECONDS)
            self._known_topics.add(topic)

    def _commit(self, consumer: Consumer, own: dict[int, int], reached: Mapping[int, int]) -> None:
        # Never backwards: earlier records were redriven, even if this run has started over.
        moved = {partition: offset for partition, offset in reached.items() if offset > own.get(partition, -1)}
        if not moved:
            return
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in moved.items()]
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as failed:
            raise Unreachable(
                f"the position in {self._topic} cannot be kept: {failed.args[0].str()}; up to {CHUNK_RECORDS} records "
                "are sent again by the next run"
            ) from failed
        own.update(moved)

    def _done(self, reason: str | None, partitions: Mapping[int, object]) -> dict[int, int]:
        """Returns partition → the offset that earlier runs for this reason have reached."""
        key = group_of(self._topic, reason)
        if key not in self._done_for:
            consumer = new_consumer({**CONSUMER, **self._settings, "group.id": key})
            try:
                self._done_for[key] = self._committed(consumer, partitions)
            finally:
                consumer.close()
        return self._done_for[key]

    def _committed(self, consumer: Consumer, partitions: Mapping[int, object]) -> dict[int, int]:
        try:
            found = consumer.committed(
                [TopicPartition(self._topic, partition) for partition in partitions], timeout=ANSWER_SECONDS
            )
        except KafkaException as failed:
            raise Unreachable(f"the position in {self._topic} cannot be read: {failed.args[0].str()}") from failed
        return {place.partition: place.offset for place in found if place.offset >= 0}
