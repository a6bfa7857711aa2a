"""Events → records → Kafka, and which of them are safe there."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from confluent_kafka import KafkaError, Message

from ingest.config import Config
from ingest.deadline import Deadline
from ingest.errors import IngestError, Recycle, Undeliverable
from ingest.kafka.outcome import outcome
from ingest.kafka.producer import ProducerPool, Shipment
from ingest.metrics import DELIVERY_BUCKETS, Histogram
from ingest.source.dead_letters import DeadLetters
from ingest.source.event import Event
from ingest.source.progress import Batch, Position, Progress
from ingest.source.record import FORMATS, Record

_ENQUEUED_MS = itemgetter(2)
SILENCE_SECONDS = 10.0
"""Records wait for their acknowledgement this long before that is called trouble."""
READY_EVENTS = 4_000
READY_BYTES = 2 << 20
"""No more events are taken while so many wait for the acknowledgement of those before them, which were as many at most."""
FILLED, FILLED_ALONE = 0.75, 0.95
"""So much of each request is to be filled on average: keys fall unevenly upon the topic's partitions, unless there is one."""
FIRST_SHIPMENT_EVENTS = 1_000
"""Before the size of a record is known."""


class Delivery:
    """Takes batches in order, and knows the position up to which everything is acknowledged or dead-lettered.

    `start, poll, close, join` on the loop's thread. Counters are plain ints.
    """

    def __init__(self, config: Config, partition: str, *, max_record_bytes: int | None, topic_partitions: int) -> None:
        self.acked = 0
        self.seconds = Histogram(DELIVERY_BUCKETS)
        """From the hub's enqueued time to Kafka's acknowledgement."""
        self.errors: Counter[str] = Counter()
        self.pool = ProducerPool(
            config.kafka, client_id=f"ingest-source-{partition}", max_record_bytes=max_record_bytes
        )
        self.dead_letters = DeadLetters(config, partition)
        self._topic = config.source.topic
        self._encode = FORMATS[config.source.format](partition).encode
        self._progress = Progress()
        self._ready: deque[tuple[Batch, Sequence[Event], int]] = deque()
        """What is sent once everything before it is acknowledged, with the bytes of its bodies."""
        self._ready_events = self._ready_bytes = 0
        requests = config.kafka.producers * topic_partitions
        self._shipment_bytes = self.pool.batch_bytes * requests * (FILLED if requests > 1 else FILLED_ALONE)
        self._record_bytes = 0.0
        """Mean of the shipment before."""
        self._waiting: list[tuple[Batch, Event]] = []
        """Events that librdkafka had no room for, or that must be sent again; sent before anything newer."""
        self._suspects: list[tuple[Batch, Event]] = []
        """Events of batches that the broker refused as a whole. Each is sent alone, and nothing else meanwhile."""
        self._broken: IngestError | None = None
        self._acked_at = time.monotonic()

    def start(self) -> None:
        self.pool.start()

    @property
    def room(self) -> bool:
        """Whether the next batch may be given; false is back-pressure."""
        return (
            not self._waiting
            and not self._suspects
            and self._ready_events < READY_EVENTS
            and self._ready_bytes < READY_BYTES
        )

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an acknowledgement."""
        return (
            not self._ready
            and not self._waiting
            and not self._suspects
            and not self.pool.in_flight
            and not self.dead_letters.topic.in_flight
        )

    @property
    def position(self) -> Position | None:
        """Everything up to here is safe in Kafka; None until the first batch is."""
        return self._progress.advance()

    @property
    def trouble(self) -> str | None:
        """Why Kafka takes nothing, in words; None while it does."""
        if self.pool.trouble is None and not self.idle and time.monotonic() - self._acked_at > SILENCE_SECONDS:
            return f"Kafka has acknowledged nothing for {SILENCE_SECONDS:g} s"
        return self.pool.trouble

    def restart(self, position: Position) -> None:
        """What is given from now on comes after `position`, which is safe once everything given before is."""
        self._progress.add(position, 0)

    def send(self, events: Sequence[Event]) -> None:
        """Takes one batch; its events come after all that were given before."""
        if self.idle:
            self._acked_at = time.monotonic()
        body_bytes = sum(len(event.body) for event in events)
        self._ready.append((self._progress.add(events[-1].position, len(events)), events, body_bytes))
        self._ready_events += len(events)
        self._ready_bytes += body_bytes
        self._send_ready()

    def _send_ready(self) -> None:
        """Sends what has gathered, once nothing is on its way.

        An idempotent producer of librdkafka has one request for each partition on its way, and what has lingered longer
        than `linger.ms` behind it keeps the broker's thread spinning: a whole core, when Kafka is 20 ms away
        (rd_kafka_toppar_producer_serve of 2.16 compares messages in flight with a number of requests).
        """
        if self.pool.in_flight or self._waiting or self._suspects:
            return
        around = 0
        # All are encoded before the first is sent, so that the producer gets them in less time than `linger.ms`.
        for batch, events, records in [(batch, events, self._records(events)) for batch, events in self._shipment()]:
            queued = 0
            if records and not self._waiting:
                around = _bytes_around(records[0])
                queued = self.pool.send_all(self._topic, records, partial(self._arrived, batch, events))
            # Something is in the way of one of them: a full queue, or an event that cannot be delivered.
            self._waiting += [(batch, event) for event in events[queued:]]
        if self.pool.in_flight:
            self._record_bytes = self.pool.in_flight_bytes / self.pool.in_flight + around
        self._send_waiting()

    def _shipment(self) -> Iterator[tuple[Batch, Sequence[Event]]]:
        """Takes from what is ready as much as one request of each producer for each partition of the topic holds."""
        room = max(1.0, self._shipment_bytes / self._record_bytes) if self._record_bytes else FIRST_SHIPMENT_EVENTS
        while self._ready and room >= 1:
            batch, events, body_bytes = self._ready.popleft()
            if len(events) > room:
                events, rest = events[: int(room)], events[int(room) :]
                rest_bytes = sum(len(event.body) for event in rest)
                self._ready.appendleft((batch, rest, rest_bytes))
                body_bytes -= rest_bytes
            self._ready_events -= len(events)
            self._ready_bytes -= body_bytes
            room -= len(events)
            yield batch, events

    def _records(self, events: Sequence[Event]) -> Sequence[Record]:
        """The way of nearly all events; none if one of them cannot be delivered."""
        try:
            return list(map(self._encode, events))
        except Undeliverable:
            return ()

    def _arrived(self, batch: Batch, events: Sequence[Event], shipment: Shipment) -> None:
        """Every one of `shipment`'s records, which are those of the first of `events`, was acknowledged or refused."""
        events = events[: shipment.records]
        if shipment.failed:
            sent = {_content(*self._encode(event)): event for event in events}
            refused = {
                sent[_content(message.key(), message.value(), message.headers(), 0)]: error
                for error, message in shipment.failed
            }
            events = [event for event in events if event not in refused]
            for event, error in refused.items():
                self._refused(batch, event, error)
        batch.pending -= len(events)
        self.acked += len(events)
        self.seconds.observe_since(sorted(map(_ENQUEUED_MS, events)), time.time() * 1000)

    def poll(self, timeout: float) -> None:
        """Sends what is ready and serves acknowledgements, waiting up to `timeout` seconds for all of them. Raises
        Recycle when Kafka will not go on."""
        before = self.pool.in_flight
        self.pool.flush(timeout)
        if self.pool.in_flight < before:
            self._acked_at = time.monotonic()
        self.dead_letters.topic.poll()
        if self._suspects:
            self._send_a_suspect()
        else:
            self._send_waiting()
            self._send_ready()
        broken = self._broken or self.dead_letters.topic.broken
        if broken is not None:
            raise broken

    def close(self) -> None:
        """Takes nothing more."""
        self.pool.close()

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None]) -> bool:
        """Waits for all acknowledgements; True when all came."""
        while (self._ready or self._waiting or self._suspects) and self._broken is None and not deadline.expired:
            self.poll(min(0.2, deadline.remaining()))
            while_waiting()
        flushed = self.pool.join(deadline, while_waiting=while_waiting)
        return self.dead_letters.topic.join(deadline, while_waiting=while_waiting) and flushed and self.idle

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for index, (batch, event) in enumerate(waiting):
            if not self._send(batch, event):
                self._waiting = waiting[index:]
                return

    def _send_a_suspect(self) -> None:
        if self.pool.in_flight:
            return
        self._suspects.sort(key=lambda suspect: suspect[1].sequence_number)
        if self._send(*self._suspects[0], alone=True):
            del self._suspects[0]

    def _send(self, batch: Batch, event: Event, *, alone: bool = False) -> bool:
        try:
            key, value, headers, timestamp = self._encode(event)
            done = partial(self._delivered, batch, event, alone)
            return self.pool.send(self._topic, key, value, headers, timestamp, done)
        except Undeliverable as why:
            self._dead_letter(batch, event, why)
            return True

    def _delivered(self, batch: Batch, event: Event, alone: bool, error: KafkaError | None, _: Message) -> None:
        """The answer for a record that was sent by itself."""
        if error is None:
            batch.pending -= 1
            self.acked += 1
            self.seconds.observe(time.time() - event.enqueued_ms / 1000)
        else:
            self._refused(batch, event, error, alone=alone)

    def _refused(self, batch: Batch, event: Event, error: KafkaError, *, alone: bool = False) -> None:
        self.errors[error.name()] += 1
        if outcome(error) == "recycle":
            self._broken = Recycle(f"Kafka topic {self._topic}: {error.name()}: {error.str()}")
        elif alone:
            self._dead_letter(batch, event, Undeliverable(error.name().lower(), f"Kafka: {error.str()}"))
        else:
            self._suspects.append((batch, event))

    def _dead_letter(self, batch: Batch, event: Event, why: Undeliverable) -> None:
        def done() -> None:
            batch.pending -= 1

        self.dead_letters.send(event, why, done)


def _bytes_around(record: Record) -> int:
    """Of what a record has besides its value, which is much the same for all records of a partition."""
    return len(record.key or b"") + sum(len(name) + len(value or b"") for name, value in record.headers or ())


def _content(key: Any, value: Any, headers: Any, _: int) -> tuple[Any, Any, tuple[Any, ...]]:
    """What tells one record of a batch from the others: every format puts the offset into value or headers."""
    return key, value, tuple(headers or ())
