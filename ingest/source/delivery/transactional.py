"""Exactly once: records, dead letters and the position of their last event go into one Kafka transaction.

`source.commit_interval_ms` after the first events they are committed, or sooner if there are many. Nobody who reads committed
records gets one before that, so few events are gathered until then: one request for each broker takes all of them, and a process
that ends meanwhile leaves no transaction open that the next one would have to end. Nothing of a transaction is kept until it is
committed: if it is aborted, its events are read again from the hub, and if one of them was refused, they go `InOrder`.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from confluent_kafka import KafkaError, Message

from ingest.config import Config
from ingest.errors import Displaced, RestartRequired, Undeliverable
from ingest.hub.position import Position
from ingest.kafka.errors import outcome
from ingest.kafka.records import Records
from ingest.kafka.shipment import Shipment
from ingest.kafka.transactions import Aborted, TransactionalPool, fenced, passing, purged
from ingest.metrics.catalogue import COMMIT_BUCKETS, DELIVERY_BUCKETS
from ingest.metrics.meter import Histogram
from ingest.source.delivery.attempts import Attempts
from ingest.source.delivery.delivery import HELD_SECONDS, SILENCE_SECONDS, SLOW_SECONDS
from ingest.source.delivery.due import Due
from ingest.source.delivery.encoding import records_of
from ingest.source.delivery.place import Place
from ingest.source.delivery.ready import Ready, behind, first
from ingest.source.delivery.transaction import Transaction
from ingest.source.delivery.unfinished import Unfinished
from ingest.source.events.batch import Batch
from ingest.source.events.received import Received
from ingest.source.hot_path import encoder_of
from ingest.timing import Deadline

ENVELOPE_BYTES = 8_192
"""A record this much smaller than the topic's limit is not measured: only its headers could make it too large, and then the
broker says so."""
ABORT_SECONDS = 120.0
"""How old a transaction can get that is being aborted; the brokers have long done that by then."""
COMMIT_SECONDS = 1.5
"""How long, at the end of the process, Kafka has to take the records of the last transaction. It is aborted then: a partition
that another node waits for is worth more than a few events that come again."""
HAND_OVER_SECONDS = 0.5
"""How long Kafka has for the end of the last transaction if another node follows, whose process waits for that end in any case,
and reads the position after it."""
VOID_MOST = 10
"""How many transactions in a row can be aborted without a record to blame before a new producer must do it."""

Phase = Literal["open", "committing", "aborting"]


class TransactionalDelivery:
    """The `Deliverer` whose position moves with each committed transaction."""

    def __init__(
        self,
        config: Config,
        partition: str,
        pool: TransactionalPool,
        place: Place,
        *,
        topic_partitions: int,
        max_record_bytes: int | None = None,
        dead_letter_bytes: int | None = None,
        schema_id: int | None = None,
        may_send: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pool` is initialized. `max_record_bytes`, `dead_letter_bytes`: of the topics, None: unknown. Others as for
        `Delivery`."""
        self.acked = 0
        self.seconds = Histogram(DELIVERY_BUCKETS)
        self.pool = pool
        self.errors: Counter[str] = Counter()
        self.position: Position | None = None
        self.rewinds = False
        self.transactions: Counter[str] = Counter()
        """By outcome: committed, aborted."""
        self.commit_seconds = Histogram(COMMIT_BUCKETS)
        """From the wish to commit to the broker's word."""
        source = config.source
        self._topic = source.topic
        self._interval = source.commit_interval_ms / 1000
        self._place = place
        self._encoder = encoder_of(source.format, partition, has_keys=source.has_keys, schema_id=schema_id)
        self._attempts = Attempts(
            config,
            partition,
            pool,
            self._encoder.encode,
            max_record_bytes=max_record_bytes,
            dead_letter_bytes=dead_letter_bytes,
            reported=self._note,
            clock=clock,
        )
        self._measured_from = max(0, (max_record_bytes or pool.max_record_bytes) - ENVELOPE_BYTES)
        self._may_send = may_send
        self._hands_over = config.cluster.shares
        self._clock = clock
        self._ready = Ready(topic_partitions)
        self._phase: Phase = "open"
        self._transaction = Transaction()
        """The present one; or, while none has begun, the next."""
        self._due = Due(self._interval)
        self._unfinished = Unfinished()
        self._voids = 0
        self._broken: RestartRequired | None = None
        self._closed_at: float | None = None
        self._acked_at = clock()

    def start(self) -> None:
        """The pool is initialized before the position is known."""

    @property
    def dead_lettered(self) -> Mapping[str, int]:
        return self._attempts.written

    @property
    def room(self) -> bool:
        return not self._ready.full and self._attempts.in_order.wants_more

    @property
    def idle(self) -> bool:
        return not (self.rewinds or self._ready or len(self._attempts.in_order) or self._transaction.begun)

    @property
    def on_the_way(self) -> bool:
        return self.pool.in_flight > 0 or self._phase != "open"

    @property
    def event_wait(self) -> float | None:
        if self.idle:
            return None
        if self.on_the_way:
            return 0
        return self._until_due if self._transaction.begun or self._ready else HELD_SECONDS

    @property
    def sends_in(self) -> float:
        gathers = self._phase == "open" and not self.pool.in_flight and not self._ready.plenty
        return self._until_due if gathers else 0.0

    @property
    def trouble(self) -> str | None:
        trouble = self.pool.trouble or self._attempts.trouble
        if trouble is None and not self.idle and self._clock() - self._acked_at > SILENCE_SECONDS + self._interval:
            return f"Kafka has committed nothing for {SILENCE_SECONDS + self._interval:g} s"
        return trouble

    @property
    def held_back(self) -> Mapping[str, bool]:
        return self._attempts.held_back

    def restart(self, position: Position) -> None:
        self._unfinished.renumbered(position)
        self._gather(Batch(position, 0))

    def abandon(self) -> None:
        self._ready.clear()
        self._attempts.abandon()
        self.rewinds = False
        self._transaction.abandoned = self._transaction.begun
        if self._phase != "committing":  # else what comes of it is known when it is over
            self._transaction.drop()
            self.position = self._unfinished.forget(self.position)
            self._phase = "aborting" if self._transaction.abandoned else "open"

    def begin(self, position: Position | None) -> None:
        """As `Deliverer`; raises RestartRequired while a commit is not answered, as it can have moved the position."""
        if self._phase == "committing":
            raise RestartRequired(
                "another process can have this partition, and whether the last transaction counts is unknown"
            )
        self.rewinds = False
        if position is not None:
            self.position = position

    def send(self, batch: Batch) -> None:
        if self.idle:
            self._acked_at = self._clock()
        self._gather(batch)
        self._go_on()

    def _gather(self, batch: Batch) -> None:
        if not self._ready:
            self._due.wait(self._clock())
        self._ready.add(batch)
        self._unfinished.add(len(batch))

    def poll(self, timeout: float) -> None:
        before = self.pool.in_flight
        if self._phase == "committing":
            self._commit(timeout)
        elif self._phase == "aborting":
            self._abort(timeout)
        elif self._transaction.begun:
            self.pool.flush(timeout if self._attempts.is_trial else min(timeout, self._until_due))
        else:
            self.pool.poll(timeout if self.idle else min(timeout, SLOW_SECONDS))
        if self.pool.in_flight < before:
            self._acked_at = self._clock()
        self._go_on()
        broken = self._broken or self._attempts.broken
        if broken is not None:
            raise broken

    def close(self) -> None:
        """As `Deliverer`. The present transaction is committed at once, unless it is one of tries."""
        self._closed_at = self._clock()
        self._ready.clear()
        self.rewinds = False
        if self._attempts.in_order.busy or self._attempts.under_way:
            self.abandon()

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None]) -> bool:
        """As `Deliverer`. What is not committed by then, the next producer aborts."""
        while not (self.idle or self._attempts.trouble is not None or deadline.expired):
            late = self._clock() - (self._closed_at or 0)
            if self._hands_over and late > HAND_OVER_SECONDS:
                return True
            if late > COMMIT_SECONDS and self.pool.in_flight > 0 and self._phase != "aborting":
                self._transaction.drop()
                self._phase, self._transaction.abandoned = "aborting", True
            try:
                self.poll(min(0.2, deadline.remaining()))
            except RestartRequired:
                return False
            while_waiting()
        return self.idle

    @property
    def _until_due(self) -> float:
        """Seconds until the present transaction is to be committed, or, without one, a transaction of what waits."""
        if self._attempts.in_order.busy or self._transaction.full or self._closed_at is not None:
            return 0
        return self._due.seconds(self._clock(), begun=self._transaction.begun)

    def _go_on(self) -> None:
        """Takes the next steps that need no answer."""
        if self._phase != "open" or self._broken is not None:
            return
        if self._attempts.is_trial:
            if self._attempts.trial_is_over():
                self._phase = "aborting"
        elif self._transaction.refusal is not None:
            self._phase = "aborting"
        elif self._attempts.in_order.busy:
            if self._transaction.begun:
                self._begin_commit()
            elif not self.pool.in_flight and self._may_send():
                self._try_in_order()
        else:
            due = self._ready.plenty or not self._until_due
            if self._ready and due and not self.pool.in_flight and self._may_send():
                self._ship()
            if self._transaction.begun and not self._until_due and self._phase == "open":
                self._begin_commit()

    def _begin(self) -> None:
        self.pool.begin()
        self._transaction.began_at = self._clock()

    def _ship(self) -> None:
        """Sends what one request for each partition of the topic holds, as `Delivery` does."""
        records, sent, slow = self._ready.encoded(self.pool.batch_bytes, self._records)
        if records or (sent and not slow):
            if not self._transaction.begun:
                self._due.begin()
                self._begin()
            queued = self.pool.send_all(self._topic, records, self._arrived) if records else 0
            self._ready.shipped(records, queued, self.pool.in_flight_bytes)
            if queued < len(records):
                slow = [*behind(sent, queued), *slow]
                sent = list(first(sent, queued))
            self._transaction.bytes += self.pool.in_flight_bytes
            for batch, events in sent:
                self._transaction.add(events, events[-1].position if events else batch.last)
        self._attempts.in_order.add(event for _, events in slow for event in events)

    def _records(self, events: Sequence[Received]) -> Records | None:
        """Returns the records of nearly all events; None if one of them cannot be a record, or one could be too large."""
        made = records_of(self._encoder.encode_all, events)
        return None if made and max(map(len, made.values)) > self._measured_from else made

    def _try_in_order(self) -> None:
        """Tries some of what was refused, each time in a transaction of its own."""
        self._attempts.in_order.add(event for _, events in self._ready.everything() for event in events)
        events = self._attempts.begin(self._begin)
        if not self._transaction.begun:
            return
        self._transaction.in_order = True
        if not events:  # the client took none of them
            self._phase = "aborting"
        elif not self._attempts.is_trial:
            self._transaction.add(events, events[-1].position)
            self._begin_commit()

    def _begin_commit(self) -> None:
        """Adds the position, and asks for the commit."""
        last = self._transaction.last
        if last is None:  # every event of it was refused by the client
            self._phase = "aborting"
            return
        place = self._place
        try:
            if not self.pool.offer(
                place.topic, (place.key, place.value(last), None, 0), self._reported, place.partition
            ):
                return  # the queue is full: again, once something is answered
        except Aborted:
            self._phase = "aborting"
            return
        except Undeliverable as why:
            self._broken = RestartRequired(f"Kafka topic {place.topic} takes no position: {why}")
            return
        self._phase, self._transaction.commit_at = "committing", self._clock()

    def _commit(self, timeout: float) -> None:
        try:
            if not self.pool.commit(timeout):
                return
        except Aborted as aborted:
            if aborted.error is not None:
                self._note(aborted.error)
            if self._transaction.abandoned:
                self.position = self._unfinished.forget(self.position)
            self._phase = "aborting"
            return
        except RestartRequired as lost:
            # librdkafka says only that records failed; they have said why.
            raise (lost if isinstance(lost, Displaced) else self._broken or lost) from None
        now, events = self._clock(), self._transaction.enqueued_ms
        self.transactions["committed"] += 1
        self.commit_seconds.observe(now - self._transaction.commit_at)
        self._due.committed(now - self._transaction.commit_at, now)
        self._acked_at, self._voids = now, 0
        if not self._attempts.committed():
            self.acked += len(events)
            self.seconds.observe_since(events, time.time() * 1000)
        self.position = self._transaction.last
        self._unfinished.committed(len(events), self.position)
        if self._transaction.abandoned:
            self.position = self._unfinished.forget(self.position)
        self._phase, self._transaction = "open", Transaction()

    def _abort(self, timeout: float) -> None:
        try:
            if not self.pool.abort(timeout):
                if self._clock() - (self._transaction.began_at or 0) > ABORT_SECONDS:
                    raise RestartRequired("Kafka has not aborted a transaction, or has not said so")
                return
        except Aborted as aborted:
            raise RestartRequired(f"Kafka does not abort a transaction: {aborted}") from None
        self.transactions["aborted"] += 1
        self._acked_at = self._clock()
        ended, refusal = self._transaction, self._transaction.refusal
        self._phase, self._transaction = "open", Transaction()
        if ended.abandoned or self._closed_at is not None:
            return
        if ended.in_order:
            blamed = self._attempts.aborted()
        else:
            blamed = refusal is not None and outcome(refusal) == "suspect"
            if len(ended):
                self._rewind(careful=len(ended) if blamed else 0)
        self._voids = 0 if blamed else self._voids + 1
        if self._voids > VOID_MOST:
            why = "no cause" if refusal is None else refusal.str()
            self._broken = RestartRequired(f"Kafka aborts every transaction: {why}")

    def _rewind(self, *, careful: int) -> None:
        """Asks for everything again that is not committed; the first `careful` events then go in order."""
        self._ready.clear()
        self._attempts.abandon()
        self._attempts.in_order.be_careful(careful)
        self.position = self._unfinished.forget(self.position)
        self.rewinds = True

    def _arrived(self, shipment: Shipment) -> None:
        for refusal in shipment.refused:
            self._note(refusal.error, self._topic)

    def _reported(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._note(error, self._place.topic)

    def _note(self, error: KafkaError, topic: str = "") -> None:
        """Takes an error of a record to `topic`, or of the commit."""
        if purged(error):
            return
        self.errors[error.name()] += 1
        if fenced(error):
            self._broken = self.pool.displaced()
        elif outcome(error) == "recycle" and not passing(error):
            where = topic and f"topic {topic}: "
            self._broken = RestartRequired(f"Kafka transaction: {where}{error.name()}: {error.str()}")
        self._transaction.refusal = error
