"""The way for events that were refused, cannot be encoded, or found no room: few at a time, and nothing beside them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import KafkaError

from ingest.errors import IngestError, Undeliverable
from ingest.kafka.errors import throttled, too_large
from ingest.kafka.outbox import Answer, Outbox
from ingest.kafka.producer import TOO_LARGE, ProducerPool
from ingest.kafka.shipment import Shipment
from ingest.source.delivery.dead_letter_limit import DeadLetterLimit
from ingest.source.delivery.dead_letters import DeadLetters
from ingest.source.delivery.encoding import record_of
from ingest.source.delivery.suspects import Entry, Suspects
from ingest.source.delivery.topic_limit import TopicLimit
from ingest.source.events.batch import Batch
from ingest.source.events.received import Received
from ingest.source.formats.contract import Record


class SlowWay:
    """Call `add` or `refused`, then `poll`. What `Suspects` blames, or what cannot be a record, becomes a dead
    letter."""

    def __init__(
        self,
        pool: ProducerPool,
        topic: str,
        encode: Callable[[Received], Record],
        dead_letters: DeadLetters,
        limit: int,
        *,
        acked: Callable[[Batch, Received], None],
        max_record_bytes: Callable[[], int | None] | None,
        kind: str = "kafka",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit` as `source.max_dead_letters_per_minute`. `acked` is called for each event that Kafka has taken.
        `max_record_bytes` asks the topic; None if it does not answer. `kind`: `kafka.kind`."""
        self.limit = DeadLetterLimit(limit)
        self._suspects = Suspects()
        self._pool = pool
        self._topic = topic
        self._encode = encode
        self._dead_letters = dead_letters
        self._acked = acked
        self._topic_limit = TopicLimit(topic, max_record_bytes, clock)
        self._kind = kind
        self._clock = clock
        self._shipments: list[tuple[Sequence[tuple[Batch, Received]], Shipment]] = []
        """Shipments with refused records, not judged yet."""
        self._outbox = Outbox(
            pool,
            self._suspects,
            topic_of=lambda _: topic,
            record=lambda entry: self._record(entry.event),
            acked=self._taken,
            give_up=self._give_up,
            judged=self._judged,
            clock=clock,
        )

    @property
    def errors(self) -> Counter[str]:
        """Refused records, by Kafka's name of the error."""
        return self._outbox.errors

    @property
    def broken(self) -> IngestError | None:
        return self._outbox.broken

    @property
    def busy(self) -> bool:
        """Whether everything must come this way."""
        return self._suspects.busy or bool(self._outbox.on_the_way or self._shipments)

    @property
    def empty(self) -> bool:
        return not (len(self._outbox) or self._shipments)

    @property
    def waiting(self) -> bool:
        """Whether events here must be sent before anything newer."""
        return bool(self._suspects.waiting or self._outbox.on_the_way or self._shipments)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be sent, in words."""
        trouble = self._suspects.trouble
        return self.limit.trouble or (trouble and f"topic {self._topic}: {trouble}")

    @property
    def held_back(self) -> dict[str, bool]:
        """Reason → whether events wait for it."""
        return {"dead_letter_limit": self.limit.reached, "refused": self._suspects.trouble is not None}

    def add(self, batch: Batch, events: Iterable[Received]) -> None:
        """Adds events after those that are here."""
        self._suspects.add(Entry(batch, event, self._key_of) for event in events)

    def abandon(self) -> None:
        """Forgets all that is here; ignores the answers to what is on its way."""
        self._suspects, self._shipments = Suspects(), []
        self._outbox.abandon(self._suspects)

    def refused(self, events: Sequence[tuple[Batch, Received]], shipment: Shipment) -> None:
        """Takes what was refused of a shipment of these events. Can be called from within the producers' callbacks."""
        self._shipments.append((events, shipment))

    def delivered_elsewhere(self) -> None:
        """Notes that events that did not come this way were acknowledged."""
        self._suspects.accepted_elsewhere()

    def poll(self) -> None:
        """Judges the answers, once all have come, and sends more."""
        if self.empty:
            return
        if not self._pool.in_flight:
            for events, shipment in self._shipments:
                self._outbox.judge(self._answers_of(events, shipment))
            self._shipments = []
        self._outbox.poll()

    def _answers_of(self, events: Sequence[tuple[Batch, Received]], shipment: Shipment) -> list[Answer[Entry]]:
        told = {refusal.place: refusal for refusal in shipment.refused}
        answers = []
        for place, (batch, event) in enumerate(events):
            refusal = told.get(place)
            error, partition = (None, None) if refusal is None else (refusal.error, refusal.partition)
            answers.append(Answer(Entry(batch, event, self._key_of), error, partition))
        return answers

    def _record(self, event: Received) -> Record:
        return record_of(self._encode, event)

    def _key_of(self, event: Received) -> bytes | None:
        try:
            return self._record(event).key
        except Undeliverable:
            return None

    def _taken(self, entry: Entry) -> None:
        self.limit.mended()
        if not entry.repeat:
            self._acked(entry.batch, entry.event)

    def _judged(self, answers: Sequence[Answer[Entry]]) -> None:
        if any(error is not None and too_large(error) for _, error, _ in answers):
            self._look_at_limit()

    def _give_up(self, entry: Entry, why: Undeliverable, error: KafkaError | None) -> bool:
        """Returns False if the event is to be tried again: too many became dead letters in this minute, the topic takes
        larger records by now, or the cluster is too busy."""
        if entry.repeat:
            return True
        now = self._clock()
        if throttled(error, self._kind):
            self._suspects.pause(now)
            return False
        if why.reason == TOO_LARGE and self._topic_limit.may_look and (self._pool.in_flight or self._look_at_limit()):
            return False
        if not self.limit.admit(now, why):
            self._suspects.pause(now)
            return False
        batch = entry.batch

        def done() -> None:
            batch.pending -= 1

        self._dead_letters.send(entry.event, why, done)
        return True

    def _look_at_limit(self) -> bool:
        """Asks the topic how large a record it takes now, as that can have changed. Returns True if the producers take
        larger ones from now on."""
        before = self._pool.max_record_bytes
        found = self._topic_limit.changed(before)
        if found is None:
            return False
        self._pool.limit(found)
        return found > before
