"""What a partition process counts, handed to the meter before every heartbeat."""

import math
import time
from collections.abc import Callable
from typing import Final, Protocol

from ingest.metrics import catalogue as m
from ingest.metrics.bottleneck import TimeShares
from ingest.metrics.meter import Meter
from ingest.source.checkpoints.writer import CheckpointWriter
from ingest.source.delivery.contract import Deliverer
from ingest.source.delivery.transactional import TransactionalDelivery
from ingest.source.receiving.receiver import Receiver
from ingest.source.receiving.retention import RetentionForecast
from ingest.source.receiving.watchdog import HubQuestion
from ingest.source.transport.contract import Transport

DAY_SECONDS: Final = 86_400.0


class Measured(Protocol):
    """The parts of a partition process that count."""

    partition: str

    @property
    def decoder(self) -> str: ...

    @property
    def delivery(self) -> Deliverer: ...

    stalls: int
    receiver: Receiver
    writer: CheckpointWriter
    question: HubQuestion
    shares: TimeShares

    @property
    def transport(self) -> Transport: ...


class SourceMeasures:
    """Called with the meter once a second; reads plain ints and keeps no copies."""

    def __init__(self, process: Measured, retention_days: int, *, clock: Callable[[], float] = time.time) -> None:
        """Made before the process starts. `retention_days` as `hub.retention_days`; `clock` gives Unix seconds."""
        self._process = process
        self._clock = clock
        self._data_loss = RetentionForecast(retention_days * DAY_SECONDS)
        self._position_known = False
        self._start = process.receiver.last

    def __call__(self, meter: Meter) -> None:
        self._source(meter)
        self._kafka(meter)

    def _source(self, meter: Meter) -> None:
        process, receiver, delivery = self._process, self._process.receiver, self._process.delivery
        partition = process.partition
        meter.total(m.SOURCE_EVENTS, receiver.events, partition)
        meter.total(m.SOURCE_BYTES, receiver.bytes, partition)
        meter.total(m.SOURCE_ACKED, delivery.acked, partition)
        meter.total(m.SOURCE_GAPS, receiver.gaps, partition)
        meter.total(m.SOURCE_DUPLICATES, receiver.duplicates, partition)
        meter.total(m.SOURCE_STALLS, process.stalls, partition)
        meter.total(m.SOURCE_CHECKPOINT_FAILURES, process.writer.failures, partition)
        for reason, count in receiver.reconnects.items():
            meter.total(m.SOURCE_RECONNECTS, count, partition, reason)
        for reason, count in delivery.dead_lettered.items():
            meter.total(m.SOURCE_DEAD_LETTERS, count, partition, reason)
        for reason, held in delivery.held_back.items():
            meter.gauge(m.SOURCE_HELD_BACK, held, partition, reason)
        meter.histogram(m.SOURCE_DELIVERY, delivery.seconds, partition)
        meter.gauge(m.SOURCE_PREFETCH, process.transport.credit, partition)
        meter.gauge(m.SOURCE_TRANSPORT, 1, partition, process.transport.name)
        meter.gauge(m.SOURCE_DECODER, 1, partition, process.decoder)
        self._lag(meter)
        self._replay(meter)
        for part, share in process.shares.take().items():
            meter.gauge(m.BOTTLENECK, share, "source", partition, part)
        written = process.writer.last_written
        if written is not None and written.time is not None:
            meter.gauge(m.SOURCE_CHECKPOINT, written.time, partition)

    def _lag(self, meter: Meter) -> None:
        process, receiver, now = self._process, self._process.receiver, self._clock()
        partition, enqueued_ms = process.partition, receiver.last_enqueued_ms
        last = receiver.last.sequence_number if receiver.last is not None else -1
        known = [newest for newest in (process.transport.newest, process.question.newest) if newest is not None]
        if enqueued_ms is not None:
            meter.gauge(m.SOURCE_LAST_EVENT, enqueued_ms / 1000, partition)
        if known:
            behind = max(0, max(known) - last)
            meter.gauge(m.SOURCE_LAG_EVENTS, behind, partition)
            age = now - enqueued_ms / 1000 if behind and enqueued_ms is not None else 0.0
            meter.gauge(m.SOURCE_LAG_SECONDS, max(0.0, age), partition)
        # A link that is down reports nothing newer, and the newest that we know can be older than the last event.
        caught_up = receiver.attached and bool(known) and max(known) == last
        # Once caught up, it knows its position, even without events: it falls behind while the link is down.
        self._position_known = self._position_known or caught_up or enqueued_ms is not None
        if self._position_known:
            received_until = now if caught_up else -math.inf if enqueued_ms is None else enqueued_ms / 1000
            left = self._data_loss.look(now, received_until)
            if left is not None:
                meter.gauge(m.SOURCE_DATA_LOSS, left, partition)

    def _replay(self, meter: Meter) -> None:
        """Counts what was received in this life after the last checkpoint; all of it if nothing was checkpointed."""
        process, receiver = self._process, self._process.receiver
        written = process.writer.last_written
        safe = written.sequence_number if written is not None else self._start.sequence_number if self._start else None
        replay = receiver.events
        # The hub can have renumbered its events since the checkpoint, and numbers can be missing.
        if safe is not None and receiver.last is not None and receiver.last.sequence_number >= safe:
            replay = min(replay, receiver.last.sequence_number - safe)
        meter.gauge(m.SOURCE_REPLAY, replay, process.partition)

    def _kafka(self, meter: Meter) -> None:
        delivery, slot = self._process.delivery, ("source", self._process.partition)
        statistics = delivery.pool.health.statistics
        meter.gauge(m.KAFKA_QUEUE_MESSAGES, delivery.pool.in_flight, *slot)
        meter.gauge(m.KAFKA_QUEUE_BYTES, delivery.pool.in_flight_bytes, *slot)
        meter.total(m.KAFKA_RETRIES, statistics.retries, *slot)
        for quantile, seconds in (("0.5", statistics.request_p50_seconds), ("0.99", statistics.request_p99_seconds)):
            if seconds is not None:
                meter.gauge(m.KAFKA_REQUEST_SECONDS, seconds, *slot, quantile)
        for error, count in delivery.errors.items():
            meter.total(m.KAFKA_PRODUCE_ERRORS, count, *slot, error)


class TransactionMeasures:
    """As `SourceMeasures`: what only exactly once counts."""

    def __init__(self, delivery: TransactionalDelivery, partition: str) -> None:
        self._delivery = delivery
        self._partition = partition

    def __call__(self, meter: Meter) -> None:
        for outcome, count in self._delivery.transactions.items():
            meter.total(m.SOURCE_TRANSACTIONS, count, self._partition, outcome)
        meter.histogram(m.SOURCE_COMMIT, self._delivery.commit_seconds, self._partition)
