"""Events that can never be delivered, written to `source.dead_letter_topic` by a producer of their own.

Their own, because the topic has its own size limit, and because a node that never needs one should not pay for it.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable

from confluent_kafka import KafkaError, Message

from ingest.config import Config
from ingest.deadletter import DeadLetter, dead_letter
from ingest.deadline import Deadline
from ingest.errors import IngestError, Recycle, Undeliverable
from ingest.kafka.limits import max_record_bytes
from ingest.kafka.producer import ProducerPool, settings
from ingest.logs import Repeated
from ingest.source.event import Event

logger = logging.getLogger(__name__)


class DeadLetters:
    """`send`, `poll`, `join`, on the loop's thread. An event is done when Kafka has acknowledged its dead letter."""

    def __init__(self, config: Config, partition: str) -> None:
        self.written: Counter[str] = Counter()
        """Acknowledged dead letters by reason."""
        self.broken: IngestError | None = None
        """Set when a dead letter could not be written: the process must not go on past that event."""
        self._config = config
        self._partition = partition
        self._pool: ProducerPool | None = None
        self._repeated = Repeated()

    @property
    def in_flight(self) -> int:
        return self._pool.in_flight if self._pool is not None else 0

    def send(self, event: Event, why: Undeliverable, done: Callable[[], None]) -> None:
        """Calls `done`, from `poll` or `join`, once the dead letter is safe."""
        held = self._repeated.admit(why.reason)
        if held is not None:
            more = f" ({held} more like it)" if held else ""
            logger.error(
                "Partition %s, offset %s: %s. The event goes to %s%s.",
                self._partition,
                event.offset,
                str(why).rstrip("."),
                self._config.source.dead_letter_topic,
                more,
            )
        letter = self._letter(event, event.body, why)
        try:
            self._write(letter, why.reason, done)
        except Undeliverable:
            # Even this topic is too small for the body: the position and the reason at least must not be lost.
            omitted = Undeliverable(
                why.reason,
                f"{why}; the body of {len(event.body)} bytes is omitted, as it is larger"
                " than the dead-letter topic allows",
            )
            self._write(self._letter(event, b"", omitted), why.reason, done)

    def poll(self) -> None:
        if self._pool is not None:
            self._pool.poll(0)

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None]) -> bool:
        """Waits until all are acknowledged."""
        return self._pool is None or self._pool.join(deadline, while_waiting=while_waiting)

    def _letter(self, event: Event, body: bytes, why: Undeliverable) -> DeadLetter:
        return dead_letter(
            None if event.device_id is None else event.device_id.encode(),
            body,
            # Not the event's time: Kafka may have refused the event for that, and would refuse the letter too.
            int(time.time() * 1000),
            why.reason,
            str(why),
            {
                "event-hub": self._config.hub.event_hub.event_hub if self._config.hub.event_hub else None,
                "partition": self._partition,
                "offset": event.offset,
                "sequence-number": event.sequence_number,
                "enqueued-ms": event.enqueued_ms,
                "body-kind": event.body_kind,
                "device-id": event.device_id,
                "content-type": event.content_type,
            },
        )

    def _write(self, letter: DeadLetter, reason: str, done: Callable[[], None]) -> None:
        topic = self._config.source.dead_letter_topic

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self.written[reason] += 1
                done()
            else:
                self.broken = Recycle(f"dead-letter topic {topic}: {error.name()}: {error.str()}")

        pool = self._pool or self._open()
        while not pool.send(topic, letter.key, letter.value, letter.headers, letter.timestamp_ms, delivered):
            pool.poll(0.1)

    def _open(self) -> ProducerPool:
        kafka = self._config.kafka
        limit = max_record_bytes(settings(kafka), self._config.source.dead_letter_topic, 5.0)
        pool = ProducerPool(kafka, client_id=f"ingest-source-{self._partition}-dead", max_record_bytes=limit)
        pool.start()
        self._pool = pool
        return pool
