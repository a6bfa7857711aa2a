"""A topic for records that can never be delivered, written by a producer of its own.

Its own, because the topic has its own size limit, and because a node that never needs one should not pay for it.
"""

from collections import Counter
from collections.abc import Callable

from confluent_kafka import KafkaError, Message

from ingest.config import Kafka
from ingest.deadletter import DeadLetter, without_body
from ingest.deadline import Deadline
from ingest.errors import IngestError, Recycle, Undeliverable
from ingest.kafka.limits import max_record_bytes
from ingest.kafka.producer import ProducerPool, settings

LIMIT_SECONDS = 5.0


class DeadLetterTopic:
    """`send, poll, join`, on one thread."""

    def __init__(self, kafka: Kafka, topic: str, *, client_id: str) -> None:
        self.topic = topic
        self.written: Counter[str] = Counter()
        """Acknowledged dead letters by reason."""
        self.broken: IngestError | None = None
        """Set when a dead letter could not be written: the process must not go on past its original."""
        self._kafka = kafka
        self._client_id = client_id
        self._pool: ProducerPool | None = None

    @property
    def in_flight(self) -> int:
        return self._pool.in_flight if self._pool is not None else 0

    def send(self, letter: DeadLetter, reason: str, done: Callable[[], None]) -> None:
        """Calls `done`, from `poll` or `join`, once the dead letter is safe."""
        try:
            self._write(letter, reason, done)
        except Undeliverable:
            # Even this topic is too small for it: the position and the reason at least must not be lost.
            self._write(without_body(letter), reason, done)

    def poll(self) -> None:
        if self._pool is not None:
            self._pool.poll(0)

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None]) -> bool:
        """Waits until all are acknowledged."""
        return self._pool is None or self._pool.join(deadline, while_waiting=while_waiting)

    def _write(self, letter: DeadLetter, reason: str, done: Callable[[], None]) -> None:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self.written[reason] += 1
                done()
            else:
                self.broken = Recycle(f"dead-letter topic {self.topic}: {error.name()}: {error.str()}")

        pool = self._pool or self._open()
        # Time 0 is now: the original's may be what Kafka refuses.
        while not pool.send(self.topic, letter.key, letter.value, letter.headers, 0, delivered):
            pool.poll(0.1)

    def _open(self) -> ProducerPool:
        limit = max_record_bytes(settings(self._kafka), self.topic, LIMIT_SECONDS)
        pool = ProducerPool(self._kafka, client_id=self._client_id, max_record_bytes=limit)
        pool.start()
        self._pool = pool
        return pool
