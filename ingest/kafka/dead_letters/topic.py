"""A topic for records that can never be delivered, with its own producer.

This is because the topic has its own size limit, and a node that never needs the producer should not pay for it.
"""

import time
from collections import Counter
from collections.abc import Callable

from confluent_kafka import KafkaError

from ingest.config import Kafka
from ingest.errors import IngestError, Undeliverable
from ingest.kafka.dead_letters.record import DeadLetter, position_alone, with_key, without_body
from ingest.kafka.outbox import OneByOne, Outbox
from ingest.kafka.producer import ProducerPool
from ingest.kafka.record_limit import max_record_bytes
from ingest.kafka.records import Record
from ingest.timing import Backoff, Deadline

LIMIT_SECONDS = 5.0

FORMS: tuple[Callable[[DeadLetter], DeadLetter], ...] = (
    lambda letter: letter,
    with_key,
    lambda letter: without_body(with_key(letter)),
    position_alone,
)
"""The forms to try if the topic refuses a letter, with less and less of the possible cause."""


class _Letter:
    """A dead letter that the topic has not taken yet."""

    __slots__ = ("done", "form", "letter", "reason")

    def __init__(self, letter: DeadLetter, reason: str, done: Callable[[], None]) -> None:
        self.letter = letter
        self.reason = reason
        self.done = done
        self.form = 0


class DeadLetterTopic:
    """`send, poll, join`, on one thread."""

    def __init__(
        self, kafka: Kafka, topic: str, *, client_id: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.topic = topic
        self.written: Counter[str] = Counter()
        """Acknowledged dead letters by reason."""
        self.trouble: str | None = None
        """Why the topic takes no dead letters, in words, while the topic is the cause."""
        self._kafka = kafka
        self._client_id = client_id
        self._clock = clock
        self._pool: ProducerPool | None = None
        self._letters: OneByOne[_Letter] = OneByOne()
        self._outbox: Outbox[_Letter] | None = None
        self._backoff = Backoff(0.5, 30.0)

    @property
    def in_flight(self) -> int:
        """Letters that are not safe yet."""
        return len(self._outbox) if self._outbox is not None else 0

    @property
    def broken(self) -> IngestError | None:
        """Set if a dead letter could not be written: the process must not go on past its original."""
        return self._outbox.broken if self._outbox is not None else None

    def send(self, letter: DeadLetter, reason: str, done: Callable[[], None]) -> None:
        """Calls `done`, from `poll` or `join`, once the dead letter is safe."""
        outbox = self._outbox or self._open()
        self._letters.add([_Letter(letter, reason, done)])
        outbox.poll()

    def poll(self) -> None:
        if self._pool is not None and self._outbox is not None:
            self._pool.poll(0)
            self._outbox.poll()

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None]) -> bool:
        """Waits for all acknowledgements; returns whether all came."""
        while self.in_flight and self.broken is None and not deadline.expired:
            self.poll()
            if self._pool is not None:
                self._pool.join(Deadline(min(0.2, deadline.remaining())), while_waiting=while_waiting)
            self.poll()
            while_waiting()
        return not self.in_flight

    @staticmethod
    def _record(letter: _Letter) -> Record:
        # Time 0 is now: the original's time can be what Kafka refuses.
        return *FORMS[letter.form](letter.letter), 0

    def _taken(self, letter: _Letter) -> None:
        self.written[letter.reason] += 1
        self.trouble = None
        self._backoff.reset()
        letter.done()

    def _refused(self, letter: _Letter, why: Undeliverable, error: KafkaError | None) -> bool:
        """Never gives up: tries again with less of the possible cause."""
        letter.form += 1
        if letter.form == len(FORMS):
            # The topic takes nothing at all. Once it does again, it should get the full letter.
            letter.form = 0
            words = str(why) if error is None else f"{error.name()}: {error.str()}"
            self.trouble = f"dead-letter topic {self.topic} refuses all records: {words}"
            self._letters.pause(self._clock() + self._backoff.next())
        return False

    def _open(self) -> Outbox[_Letter]:
        limit = max_record_bytes(self._kafka, self.topic, LIMIT_SECONDS)
        pool = self._pool = ProducerPool(self._kafka, client_id=self._client_id, max_record_bytes=limit)
        pool.start()
        self._outbox = Outbox(
            pool,
            self._letters,
            topic_of=lambda _: self.topic,
            record=self._record,
            acked=self._taken,
            give_up=self._refused,
            clock=self._clock,
        )
        return self._outbox
