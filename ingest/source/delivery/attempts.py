"""The transactions for events that were refused, cannot be encoded, or found no room, one after another (`in_order`)."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from confluent_kafka import KafkaError, Message

from ingest.config import Config
from ingest.errors import RestartRequired, Undeliverable
from ingest.kafka.dead_letters.topic import FORMS
from ingest.kafka.errors import outcome, too_large
from ingest.kafka.producer import TOO_LARGE, record_bytes
from ingest.kafka.records import Record
from ingest.kafka.transactions import Aborted, TransactionalPool
from ingest.source.delivery.dead_letter_limit import DeadLetterLimit
from ingest.source.delivery.dead_letters import Letters
from ingest.source.delivery.encoding import record_of
from ingest.source.delivery.in_order import Attempt, InOrder, Item
from ingest.source.delivery.topic_limit import TopicLimit, topic_limit
from ingest.source.events.received import Received
from ingest.source.formats.contract import Record as Encoded

TRIAL_SECONDS = 5.0
"""How long a trial waits for its answer."""


class Attempts:
    """Call `begin`; then `committed` or `aborted` once that transaction is over."""

    def __init__(
        self,
        config: Config,
        partition: str,
        pool: TransactionalPool,
        encode: Callable[[Received], Encoded],
        *,
        max_record_bytes: int | None,
        dead_letter_bytes: int | None,
        reported: Callable[[KafkaError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reported` is called with each error of a record; others as for `TransactionalDelivery`."""
        self.in_order = InOrder(_device_of)
        self.written: Counter[str] = Counter()
        """Dead letters that are committed, by reason."""
        self.broken: RestartRequired | None = None
        self._config = config
        self._pool = pool
        self._encode = encode
        self._letters = Letters(config, partition)
        self._most = max_record_bytes or pool.max_record_bytes
        ask = None if max_record_bytes is None else partial(topic_limit, config)
        self._topic_limit = TopicLimit(config.source.topic, ask, clock)
        self._most_of_letters = dead_letter_bytes or pool.max_record_bytes
        self._limit = DeadLetterLimit(config.source.max_dead_letters_per_minute)
        self._letters_refused = ""
        self._report = reported
        self._clock = clock
        self._attempt: Attempt | None = None
        self._began_at = 0.0
        self._refused: dict[int, KafkaError] = {}

    @property
    def under_way(self) -> bool:
        return self._attempt is not None

    @property
    def is_trial(self) -> bool:
        return self._attempt is not None and self._attempt.kind == "trial"

    @property
    def trouble(self) -> str | None:
        """Why nothing is delivered, in words."""
        if self._limit.reached:
            return self._limit.trouble
        if self._letters_refused:
            return f"dead-letter topic {self._config.source.dead_letter_topic} refuses all records: {self._letters_refused}"
        trouble = self.in_order.trouble
        return trouble and f"topic {self._config.source.topic}: {trouble}"

    @property
    def held_back(self) -> Mapping[str, bool]:
        return {
            "dead_letter_limit": self._limit.reached,
            "refused": self.in_order.trouble is not None,
            "dead_letter_topic": bool(self._letters_refused),
        }

    def abandon(self) -> None:
        self.in_order.clear()
        self._attempt = None

    def begin(self, begin_transaction: Callable[[], None]) -> Sequence[Received]:
        """Gives the next attempt's records to the client, in a transaction that it begins if there is one. Returns the events."""
        attempt = self.in_order.next(self._clock())
        records = self._records(attempt) if attempt is not None else []
        if attempt is None or not records:
            return []
        begin_transaction()
        self._attempt, self._began_at, self._refused = attempt, self._clock(), {}
        topic = self._config.source.dead_letter_topic if attempt.kind == "letter" else self._config.source.topic
        queued = 0
        try:
            for place, record in enumerate(records):
                if not self._pool.offer(topic, record, partial(self._reported, place)):
                    if not place:
                        sentence = f"the record of {len(record[1])} bytes is larger than the client's whole queue"
                        raise Undeliverable(
                            TOO_LARGE, f"{sentence}; raise queue.buffering.max.kbytes in [kafka.librdkafka]"
                        )
                    break
                queued += 1
        except Undeliverable as why:
            self._not_taken(attempt.items[queued], attempt, why)
        except Aborted:
            queued = 0
        items = attempt.items[:queued]
        self._attempt = replace(attempt, items=items) if items else None
        return [item.event for item in items]

    def trial_is_over(self) -> bool:
        """Whether the trial is answered, or is not going to be."""
        return not self._pool.in_flight or self._clock() - self._began_at > TRIAL_SECONDS

    def committed(self) -> bool:
        """Takes the commit of an attempt, if there was one. Returns whether that was a dead letter."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return False
        self.in_order.committed(attempt.items)
        self._limit.mended()
        if attempt.kind != "letter":
            return False
        why = attempt.items[0].why
        self.written[why.reason if why is not None else ""] += 1
        self._letters_refused = ""
        return True

    def aborted(self) -> bool:
        """Takes the end of an attempt that was aborted. Returns whether it has shown something about its records."""
        attempt, self._attempt = self._attempt, None
        refused = {place: error for place, error in self._refused.items() if outcome(error) == "suspect"}
        if attempt is None or not attempt.items:
            return False
        if attempt.kind == "trial" and not self._refused and self._clock() - self._began_at <= TRIAL_SECONDS:
            self.in_order.accepted(attempt)
            return True
        if not refused:
            return False
        if attempt.kind == "letter":
            self._less(attempt.items[0], next(iter(refused.values())).str())
            return True
        self.in_order.refused(attempt, refused, self._clock())
        if any(map(too_large, refused.values())):
            self._look_at_limit()
        return True

    def _records(self, attempt: Attempt) -> list[Record]:
        """Returns the records of the first items, up to one that cannot have one and so becomes a dead letter."""
        if attempt.kind == "letter":
            letter = self._letter(attempt.items[0])
            return [] if letter is None else [letter]
        records: list[Record] = []
        for item in attempt.items:
            try:
                record = record_of(self._encode, item.event)
                self._measure(record)
            except Undeliverable as why:
                if why.reason != TOO_LARGE or not self._look_at_limit():
                    item.why = why
                break
            records.append(record)
        return records

    def _measure(self, record: Record) -> None:
        size = record_bytes(*record[:3])
        if size > self._most:
            topic = self._config.source.topic
            raise Undeliverable(
                TOO_LARGE, f"the record has {size} bytes, topic {topic} allows {self._most}; raise max.message.bytes"
            )

    def _letter(self, item: Item) -> Record | None:
        """Returns the event's dead letter; None if there must be no more in this minute."""
        why = item.why
        assert why is not None, "only an event to blame has a dead letter"
        if item.letter is None:
            now = self._clock()
            if not self._limit.admit(now, why):
                # It can be deliverable by then.
                item.why, item.tries = None, 0
                self.in_order.pause(now)
                return None
            item.letter = self._letters.of(item.event, why)
        while True:
            key, value, headers = FORMS[item.form](item.letter)
            if record_bytes(key, value, headers) <= self._most_of_letters or item.form + 1 == len(FORMS):
                # Time 0 is now: the original's time can be what Kafka refuses.
                return key, value, headers, 0
            item.form += 1

    def _less(self, item: Item, words: str) -> None:
        """After the refusal of a dead letter: the next one has less of the possible cause."""
        item.form += 1
        if item.form == len(FORMS):
            # The topic takes nothing at all. Once it does again, it should get the full letter.
            item.form, self._letters_refused = 0, words
            self.in_order.pause(self._clock())

    def _not_taken(self, item: Item, attempt: Attempt, why: Undeliverable) -> None:
        if attempt.kind == "letter":
            self._less(item, str(why))
        else:
            item.why = why

    def _reported(self, place: int, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._refused.setdefault(place, error)
            self._report(error)

    def _look_at_limit(self) -> bool:
        """Asks the topic how large a record it takes now. Returns True if it takes larger ones; this process then ends."""
        found = self._topic_limit.changed(self._most)
        if found is None:
            return False
        larger, self._most = found > self._most, found
        if larger:
            self.broken = RestartRequired(f"topic {self._config.source.topic} takes larger records now")
        return larger


def _device_of(event: Received) -> str | None:
    return event.whole().device_id
