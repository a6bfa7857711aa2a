"""A topic for records that can never be delivered, written by a producer of its own.

Its own, because the topic has its own size limit, and because a node that never needs one should not pay for it.
"""

import time
from collections import Counter, deque
from collections.abc import Callable

from confluent_kafka import KafkaError, Message

from ingest.config import Kafka
from ingest.errors import IngestError, RestartRequired, Undeliverable
from ingest.kafka.dead_letters.record import DeadLetter, position_alone, with_key, without_body
from ingest.kafka.errors import outcome
from ingest.kafka.producer import TOO_LARGE, ProducerPool, settings
from ingest.kafka.record_limit import max_record_bytes
from ingest.timing import Backoff, Deadline

LIMIT_SECONDS = 5.0

_FORMS: tuple[Callable[[DeadLetter], DeadLetter], ...] = (
    lambda letter: letter,
    with_key,
    lambda letter: without_body(with_key(letter)),
    position_alone,
)
"""What is tried when the topic refuses a letter, with less and less of what may be the cause."""


class _Letter:
    """One that the topic has not taken yet."""

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
        self.broken: IngestError | None = None
        """Set when a dead letter could not be written: the process must not go on past its original."""
        self.trouble: str | None = None
        """Why the topic takes no dead letters, in words, while it is to blame for that."""
        self._kafka = kafka
        self._client_id = client_id
        self._clock = clock
        self._pool: ProducerPool | None = None
        self._refused: deque[_Letter] = deque()
        """Those that the topic has refused. Each is sent alone, and nothing else meanwhile."""
        self._alone = False
        """Whether one of those is on its way."""
        self._waiting: deque[_Letter] = deque()
        self._backoff = Backoff(0.5, 30.0)
        self._not_before = float("-inf")

    @property
    def in_flight(self) -> int:
        """Letters that are not safe yet."""
        sent = self._pool.in_flight if self._pool is not None else 0
        return sent + len(self._refused) + len(self._waiting)

    def send(self, letter: DeadLetter, reason: str, done: Callable[[], None]) -> None:
        """Calls `done`, from `poll` or `join`, once the dead letter is safe."""
        self._waiting.append(_Letter(letter, reason, done))
        self._send()

    def poll(self) -> None:
        if self._pool is not None:
            self._pool.poll(0)
            self._send()

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None]) -> bool:
        """Waits until all are acknowledged."""
        while self.in_flight and self.broken is None and not deadline.expired:
            self.poll()
            if self._pool is not None:
                self._pool.join(Deadline(min(0.2, deadline.remaining())), while_waiting=while_waiting)
            while_waiting()
        return not self.in_flight

    def _send(self) -> None:
        pool = self._pool or self._open()
        while not (self._refused or self._alone) and self._waiting and self._write(pool, self._waiting[0]):
            self._waiting.popleft()
        while self._refused and not pool.in_flight and self._clock() >= self._not_before:
            self._alone = True
            self._write(pool, self._refused.popleft())

    def _write(self, pool: ProducerPool, letter: _Letter) -> bool:
        """False when the client has no room for it now."""

        alone = self._alone

        def delivered(error: KafkaError | None, _: Message) -> None:
            self._alone = False
            if error is None:
                self.written[letter.reason] += 1
                self.trouble = None
                self._backoff.reset()
                letter.done()
            elif outcome(error) == "recycle":
                self.broken = RestartRequired(f"dead-letter topic {self.topic}: {error.name()}: {error.str()}")
            else:
                self._again(letter, alone, f"{error.name()}: {error.str()}")

        try:
            key, value, headers = _FORMS[letter.form](letter.letter)
            # Time 0 is now: the original's may be what Kafka refuses.
            queued = pool.send(self.topic, key, value, headers, 0, delivered)
            if not queued and not pool.in_flight:
                raise Undeliverable(TOO_LARGE, "it is larger than the client's whole queue")
        except Undeliverable as why:
            self._alone = False
            self._again(letter, True, str(why))
            return True
        return queued

    def _again(self, letter: _Letter, alone: bool, why: str) -> None:
        """The topic, or the client before it, has refused the letter: its own fault only if it was sent `alone`."""
        letter.form += alone
        if letter.form == len(_FORMS):
            # It takes nothing at all. When it does again, it is to get everything.
            letter.form = 0
            self.trouble = f"dead-letter topic {self.topic} refuses all records: {why}"
            self._not_before = self._clock() + self._backoff.next()
        if alone:
            self._refused.appendleft(letter)
        else:
            self._refused.append(letter)

    def _open(self) -> ProducerPool:
        limit = max_record_bytes(settings(self._kafka), self.topic, LIMIT_SECONDS)
        pool = ProducerPool(self._kafka, client_id=self._client_id, max_record_bytes=limit)
        pool.start()
        self._pool = pool
        return pool
