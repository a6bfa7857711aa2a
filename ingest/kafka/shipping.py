"""Producers that take many records at once, and report only the refused ones."""

from collections import deque
from collections.abc import Callable
from itertools import repeat, starmap
from operator import call

from confluent_kafka import Producer

from ingest.config import Kafka
from ingest.kafka.producer import ProducerPool, shard
from ingest.kafka.records import Headers, Records
from ingest.kafka.shipment import OnDelivery, Reports, Shipment
from ingest.timing import Deadline

REFUSALS_ONLY = "delivery.report.only.error"
"""A report to Python costs a third of what a record costs in the client."""
_ANY_PARTITION = -1


class ShippingPool(ProducerPool):
    """A pool with `send_all`. A shipment is done once its producers hold no more records: librdkafka counts a record
    until it is acknowledged, or its refusal was reported.

    `send`, with a report for each record, uses other producers. They are made for the first such record: a partition
    process needs them only after a refusal.
    """

    def __init__(self, kafka: Kafka, *, client_id: str, max_record_bytes: int | None = None) -> None:
        super().__init__(kafka, client_id=client_id, max_record_bytes=max_record_bytes)
        self._shippers: list[Producer] = []
        self._reports = Reports()
        self._out: tuple[int, int, Callable[[Shipment], None]] | None = None
        """Records and bytes of the shipment on its way, and the callback for when it is done."""

    def start(self) -> None:
        self._producers = []
        self._shippers = self.clients = self._made(**{REFUSALS_ONLY: True})

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        headers: Headers | None,
        timestamp_ms: int,
        on_delivery: OnDelivery,
    ) -> bool:
        if not self._producers:
            self._producers = self._made(len(self._shippers))
            self.clients = [*self._shippers, *self._producers]
        return super().send(topic, key, value, headers, timestamp_ms, on_delivery)

    def send_all(self, topic: str, records: Records, done: Callable[[Shipment], None]) -> int:
        """Queues records in order, up to the first that it cannot queue; `send` says why. Returns how many it queued.

        Empties `records.values`: the client copies a value, and the next copy can have its memory. `done` is called once for all
        of these; no other call may come before that. Costs a third of `send` per record (no closure, no bookkeeping, no report).
        """
        if self._out is not None:
            raise RuntimeError("the shipment before this one is still on its way")
        keys, values = records.keys, records.values
        callbacks = self._reports.expect(len(records))
        size = sum(map(len, values))
        values.reverse()
        bodies = starmap(values.pop, repeat(()))
        columns = keys, repeat(_ANY_PARTITION), callbacks, repeat(None), records.times, records.headers
        # The first column ends the loop: with none left, `pop` raises.
        arguments = repeat(topic, len(records)), bodies, *columns
        shippers = self._shippers
        queueing = (
            map(shippers[0].produce, *arguments)
            if len(shippers) == 1
            else map(call, [shard(shippers, key).produce for key in keys], *arguments)
        )
        queued = len(records)
        try:
            deque(queueing, maxlen=0)  # a loop without a line of Python per record
        except MemoryError:
            raise
        except Exception:  # tried again by `send`, which says what it is
            queued -= len(values) + 1
            size -= sum(map(len, values))  # the refused one counts: it is gone
            values.clear()
        if queued:
            self._out = queued, size, done
            self.in_flight += queued
            self.in_flight_bytes += size
        return queued

    def poll(self, timeout: float) -> None:
        super().poll(timeout)
        self._look()

    def flush(self, timeout: float) -> None:
        super().flush(timeout)
        self._look()

    def close(self) -> None:
        super().close()
        self._look()

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None] = lambda: None) -> bool:
        super().join(deadline, while_waiting=while_waiting)
        self._look()
        return self.in_flight == 0

    def terminate(self) -> None:
        super().terminate()
        self._look()

    def _look(self) -> None:
        """Reports that the shipment is done, once it is."""
        if self._out is None or any(map(len, self._shippers)):
            return
        (records, size, done), self._out = self._out, None
        self.in_flight -= records
        self.in_flight_bytes -= size
        refused = self._reports.refused
        if len(refused) < records:
            self.health.answered()
        done(Shipment(records, size, refused))
