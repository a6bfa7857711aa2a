"""Events → records → Kafka, and which of them are safe there."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from ingest.config import Config
from ingest.errors import RestartRequired
from ingest.hub.position import Position
from ingest.kafka.records import Records
from ingest.kafka.shipment import Shipment
from ingest.kafka.shipping import ShippingPool
from ingest.metrics.catalogue import DELIVERY_BUCKETS
from ingest.metrics.meter import Histogram
from ingest.source.delivery.dead_letters import DeadLetters
from ingest.source.delivery.encoding import records_of
from ingest.source.delivery.progress import Progress
from ingest.source.delivery.ready import Ready, Taken, behind
from ingest.source.delivery.slow_way import SlowWay
from ingest.source.delivery.topic_limit import topic_limit
from ingest.source.events.batch import Batch
from ingest.source.events.received import Received
from ingest.source.hot_path import encoder_of, observe_since
from ingest.timing import Deadline

SILENCE_SECONDS = 10.0
"""How long records wait for their acknowledgement before that counts as trouble."""
HELD_SECONDS = 0.1
"""Poll interval while events are held back and none is on its way."""
UNSENT_SECONDS = 0.005
"""Poll interval while events wait and none is on its way."""
SLOW_SECONDS = 0.05
"""The longest wait for Kafka while nothing is on its way there: what is held back can become due."""


class Delivery:
    """At least once: the `Deliverer` whose position moves behind Kafka's acknowledgements."""

    def __init__(
        self,
        config: Config,
        partition: str,
        *,
        max_record_bytes: int | None,
        topic_partitions: int,
        schema_id: int | None = None,
        may_send: Callable[[], bool] = lambda: True,
        pool: ShippingPool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`may_send` is asked before anything is given to Kafka. `schema_id`: the registry's id, for a format that
        needs one. `pool`: producers to use instead of those of `config`."""
        self.acked = 0
        self.seconds = Histogram(DELIVERY_BUCKETS)
        """From the hub's enqueued time to Kafka's acknowledgement."""
        self.pool = pool or ShippingPool(
            config.kafka, client_id=f"ingest-source-{partition}", max_record_bytes=max_record_bytes
        )
        self.dead_letters = DeadLetters(config, partition)
        self._topic = config.source.topic
        source = config.source
        self._encoder = encoder_of(source.format, partition, has_keys=source.has_keys, schema_id=schema_id)
        self.slow_way = SlowWay(
            self.pool,
            self._topic,
            self._encoder.encode,
            self.dead_letters,
            config.source.max_dead_letters_per_minute,
            acked=self._acked,
            max_record_bytes=partial(topic_limit, config) if max_record_bytes is not None else None,
            kind=config.kafka.kind,
            clock=clock,
        )
        self._progress = Progress()
        self._may_send = may_send
        self._abandoned = 0
        """How often `abandon` was called."""
        self._ready = Ready(config.kafka.producers * topic_partitions)
        """Batches to send once everything before them is acknowledged."""
        self._clock = clock
        self._acked_at = clock()

    def start(self) -> None:
        self.pool.start()

    @property
    def errors(self) -> Counter[str]:
        """Refused records, by Kafka's name of the error."""
        return self.slow_way.errors

    @property
    def room(self) -> bool:
        """Whether the next batch may be given; False is back-pressure."""
        return not self.slow_way.waiting and not self._ready.full

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an acknowledgement."""
        return self._at_rest and not self._ready

    @property
    def rewinds(self) -> bool:
        return False

    @property
    def on_the_way(self) -> bool:
        return self.pool.in_flight > 0

    @property
    def event_wait(self) -> float | None:
        if self.idle:
            return None
        if self.pool.in_flight:
            return 0
        return HELD_SECONDS if any(self.held_back.values()) else UNSENT_SECONDS

    @property
    def sends_in(self) -> float:
        return 0.0

    @property
    def dead_lettered(self) -> Mapping[str, int]:
        return self.dead_letters.topic.written

    @property
    def _waiting(self) -> bool:
        """Whether there are events that could be sent."""
        return bool(self._ready) or not self.slow_way.empty

    @property
    def _at_rest(self) -> bool:
        return not self.pool.in_flight and self.slow_way.empty and not self.dead_letters.topic.in_flight

    @property
    def position(self) -> Position | None:
        """Everything up to here is safe in Kafka; None until the first batch is."""
        return self._progress.advance()

    @property
    def trouble(self) -> str | None:
        """Why Kafka takes nothing, or is given nothing, in words; None if all is well."""
        trouble = self.pool.trouble or self.slow_way.trouble or self.dead_letters.topic.trouble
        if trouble is None and not self.idle and self._clock() - self._acked_at > SILENCE_SECONDS:
            return f"Kafka has acknowledged nothing for {SILENCE_SECONDS:g} s"
        return trouble

    @property
    def held_back(self) -> dict[str, bool]:
        """Reason → whether events wait for it that are neither delivered nor dead-lettered."""
        return {**self.slow_way.held_back, "dead_letter_topic": self.dead_letters.topic.trouble is not None}

    def restart(self, position: Position) -> None:
        """Batches from now on come after `position`, which is safe once all earlier ones are."""
        self._progress.mark(position)

    def abandon(self) -> None:
        """Forgets what was not given to Kafka yet. `position` still moves with the acknowledgements of the rest, up to
        the first forgotten event."""
        self._ready.clear()
        self.slow_way.abandon()
        self._abandoned += 1

    def begin(self, position: Position | None) -> None:
        """After `abandon`: batches from now on come after `position`, whatever becomes of the earlier ones."""
        self._progress = Progress()
        if position is not None:
            self._progress.mark(position)

    def send(self, batch: Batch) -> None:
        """Takes one batch; its events come after all earlier ones."""
        if self.idle:
            self._acked_at = self._clock()
        self._progress.add(batch)
        self._ready.add(batch)
        if self.pool.in_flight:
            # A batch that waits for acknowledgements which are there already goes a turn late, and so do all behind it.
            self._serve(0)
        self._send_ready()

    def _send_ready(self) -> None:
        """Sends what has gathered, once nothing is on its way.

        An idempotent producer of librdkafka has one request per partition on its way, and records that wait for it
        longer than `linger.ms` keep the broker's thread spinning: a whole core, if Kafka is 20 ms away
        (rd_kafka_toppar_producer_serve of 2.16 compares messages in flight with a number of requests).
        """
        if self.pool.in_flight or not self._waiting or not self._may_send():
            return
        if self.slow_way.busy:
            self._go_slow()
            return
        records, sent, slow = self._ready.encoded(self.pool.batch_bytes, self._records)
        if records:
            queued = self.pool.send_all(self._topic, records, partial(self._arrived, sent, self._abandoned))
            self._ready.shipped(records, queued, self.pool.in_flight_bytes)
            if queued < len(records):
                # The queue is full, or the client does not accept the record.
                slow = [*behind(sent, queued), *slow]
        for batch, events in slow:
            self.slow_way.add(batch, events)
        self.slow_way.poll()

    def _go_slow(self) -> None:
        """Moves what is ready to the slow way, after what is there."""
        for batch, events in self._ready.everything():
            self.slow_way.add(batch, events)
        self.slow_way.poll()

    def _records(self, events: Sequence[Received]) -> Records | None:
        return records_of(self._encoder.encode_all, events)

    def _arrived(self, sent: Sequence[Taken], abandoned: int, shipment: Shipment) -> None:
        """Takes the result of `shipment`: its records, of the first events of `sent`, were acknowledged or refused."""
        if shipment.refused and abandoned != self._abandoned:
            return  # they come again
        if shipment.refused:
            self.slow_way.refused(list(_first(sent, shipment.records)), shipment)
            return
        self.slow_way.delivered_elsewhere()
        if shipment.records < sum(len(events) for _, events in sent):
            for batch, event in _first(sent, shipment.records):
                self._acked(batch, event)
            return
        now_ms = time.time() * 1000
        for batch, events in sent:
            batch.pending -= len(events)
            self.acked += len(events)
            observe_since(events, self.seconds, now_ms)

    def _acked(self, batch: Batch, event: Received) -> None:
        batch.pending -= 1
        self.acked += 1
        self.seconds.observe(time.time() - event.enqueued_ms / 1000)

    def poll(self, timeout: float) -> None:
        """Sends what is ready and serves acknowledgements; waits up to `timeout` seconds for all of them. Raises
        RestartRequired if this process cannot go on with Kafka."""
        self._serve(timeout if self.pool.in_flight or self._at_rest else min(timeout, SLOW_SECONDS))
        self.dead_letters.topic.poll()
        self._send_ready()
        broken = self.slow_way.broken or self.dead_letters.topic.broken
        if broken is not None:
            raise broken

    def _serve(self, timeout: float) -> None:
        before = self.pool.in_flight
        self.pool.flush(timeout)
        if self.pool.in_flight < before:
            self._acked_at = self._clock()

    def close(self) -> None:
        """As `Deliverer`; a batch of which a part was given is finished, as positions are those of whole batches."""
        self._ready.clear_behind_first()
        self.pool.close()

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None]) -> bool:
        """Waits for all acknowledgements; returns True if all came. `position` covers whatever Kafka has acknowledged,
        even if it cannot go on."""
        while not (self.idle or self._stuck or deadline.expired):
            try:
                self.poll(min(0.2, deadline.remaining()))
            except RestartRequired:
                return False
            while_waiting()
        return self.idle

    @property
    def _stuck(self) -> bool:
        """Whether what is held back is left to the next start, as the wait has no known end."""
        return self.slow_way.trouble is not None or self.dead_letters.topic.trouble is not None


def _first(sent: Sequence[Taken], count: int) -> Iterator[tuple[Batch, Received]]:
    """Returns the first `count` events one by one."""
    return itertools.islice(((batch, event) for batch, events in sent for event in events), count)
