"""What a partition process counts, handed to the meter before every heartbeat."""

import time
from typing import TYPE_CHECKING

from ingest import metrics as m
from ingest.metrics import Meter

if TYPE_CHECKING:
    from ingest.source.partition import PartitionProcess


class SourceMeasures:
    """Called with the meter once a second; reads plain ints and keeps none."""

    def __init__(self, process: "PartitionProcess") -> None:
        self._process = process

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
        for reason, count in delivery.dead_letters.topic.written.items():
            meter.total(m.SOURCE_DEAD_LETTERS, count, partition, reason)
        meter.histogram(m.SOURCE_DELIVERY, delivery.seconds, partition)
        meter.gauge(m.SOURCE_PREFETCH, process.transport.credit, partition)
        meter.gauge(m.SOURCE_TRANSPORT, 1, partition, "sdk")
        self._lag(meter)
        written = process.writer.last_written
        if written is not None and written.time is not None:
            meter.gauge(m.SOURCE_CHECKPOINT, written.time, partition)

    def _lag(self, meter: Meter) -> None:
        process, receiver = self._process, self._process.receiver
        partition = process.partition
        if receiver.last_enqueued_ms is not None:
            meter.gauge(m.SOURCE_LAST_EVENT, receiver.last_enqueued_ms / 1000, partition)
        known = [newest for newest in (process.transport.newest, process.question.newest) if newest is not None]
        if not known:
            return
        behind = max(0, max(known) - (receiver.last.sequence_number if receiver.last is not None else -1))
        meter.gauge(m.SOURCE_LAG_EVENTS, behind, partition)
        age = time.time() - receiver.last_enqueued_ms / 1000 if behind and receiver.last_enqueued_ms else 0.0
        meter.gauge(m.SOURCE_LAG_SECONDS, max(0.0, age), partition)

    def _kafka(self, meter: Meter) -> None:
        delivery, slot = self._process.delivery, ("source", self._process.partition)
        statistics = delivery.pool.statistics
        meter.gauge(m.KAFKA_QUEUE_MESSAGES, delivery.pool.in_flight, *slot)
        meter.gauge(m.KAFKA_QUEUE_BYTES, delivery.pool.in_flight_bytes, *slot)
        meter.total(m.KAFKA_RETRIES, statistics.retries, *slot)
        for quantile, seconds in (("0.5", statistics.request_p50_seconds), ("0.99", statistics.request_p99_seconds)):
            if seconds is not None:
                meter.gauge(m.KAFKA_REQUEST_SECONDS, seconds, *slot, quantile)
        for error, count in delivery.errors.items():
            meter.total(m.KAFKA_PRODUCE_ERRORS, count, *slot, error)
