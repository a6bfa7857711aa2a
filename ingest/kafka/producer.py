"""A pool of librdkafka producers, sharded by key so that the order of one key holds."""

import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ingest.config import Kafka, Secret
from ingest.deadline import Deadline
from ingest.errors import IngestError, Undeliverable
from ingest.kafka.statistics import KafkaStatistics
from ingest.logs import Repeated

Headers = list[tuple[str, str | bytes | None]]
"""As confluent-kafka wants them; ours are always bytes."""
OnDelivery = Callable[[KafkaError | None, Message], None]

DEFAULTS: Mapping[str, str | int | bool] = {
    "enable.idempotence": True,
    "acks": "all",
    # A record waits as long as it must: dropping it is never better, and memory is bounded by whoever sends.
    "message.timeout.ms": 0,
    "compression.type": "lz4",
    # Time for a shipment to get into the queue whole. In `flush` nothing waits so long.
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 65_536,
    # Java's partitioner, so that records join with those of other producers.
    "partitioner": "murmur2_random",
    "statistics.interval.ms": 2_000,
    "socket.keepalive.enable": True,
    "reconnect.backoff.max.ms": 5_000,
    # What librdkafka logs of lost connections, the error callback tells, too, and less often.
    "log_level": 2,
}

Record = tuple[bytes | None, bytes, Headers | None, int]
"""Key, value, headers, timestamp in Unix milliseconds (0: now)."""
_ANY_PARTITION = -1

logger = logging.getLogger(__name__)


class Shipment:
    """Records that were sent together. Is done when each was acknowledged or refused."""

    __slots__ = ("_done", "bytes", "failed", "missing", "records")

    def __init__(self, done: "Callable[[Shipment], None]") -> None:
        self.records = 0
        self.bytes = 0
        self.missing = 0
        self.failed: list[tuple[KafkaError, Message]] = []
        """What was refused, for good, as it was sent."""
        self._done = done

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """librdkafka calls it once for each record: the only line of ours that runs per acknowledgement."""
        if error is not None:
            self.failed.append((error, message))
        self.missing -= 1
        if not self.missing:
            self._done(self)


def settings(kafka: Kafka) -> dict[str, Any]:
    """What the user configured for librdkafka, secrets in the clear, for any kind of client."""
    chosen = {key: value.reveal() if isinstance(value, Secret) else value for key, value in kafka.librdkafka.items()}
    return {"bootstrap.servers": kafka.bootstrap_servers, **chosen}


class ProducerPool:
    """`start, poll, close, terminate, join`; all on one thread. Callbacks run inside `poll`, `close` and `join`."""

    def __init__(self, kafka: Kafka, *, client_id: str, max_record_bytes: int | None = None) -> None:
        self.statistics = KafkaStatistics()
        self.in_flight = 0
        self.in_flight_bytes = 0
        self.trouble: str | None = None
        """Why Kafka cannot be reached, in words; None while it can."""
        self._config = {**DEFAULTS, "client.id": client_id, **settings(kafka)}
        if max_record_bytes is not None:
            # librdkafka then refuses larger records itself, one by one, and never builds a batch that the topic refuses
            # as a whole, good records and bad together.
            self._config["message.max.bytes"] = min(max(max_record_bytes, 1_000), 1_000_000_000)
            self._config["batch.size"] = min(int(self._config["batch.size"]), self._config["message.max.bytes"])
        self._count = kafka.producers
        self._producers: list[Producer] = []
        self._repeated = Repeated()
        self._complaint = ""

    @property
    def batch_bytes(self) -> int:
        """As much as one request carries for one partition of a topic."""
        return int(self._config["batch.size"])

    def start(self) -> None:
        self._producers = [
            Producer({**self._config, "error_cb": self._on_error, "stats_cb": self._stats_of(index)}, logger=logger)
            for index in range(self._count)
        ]

    @property
    def handle(self) -> Producer:
        """Any of the producers, for metadata requests (a producer's may create the topic where the broker allows
        it)."""
        return self._producers[0]

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        headers: Headers | None,
        timestamp_ms: int,
        on_delivery: OnDelivery,
    ) -> bool:
        """Queues one record. False when librdkafka's queue is full: `poll`, then send the same record again.

        Raises Undeliverable when the record is larger than the topic allows, IngestError when the producer is broken.
        """
        producer = self._producer_of(key)
        size = len(value)

        def delivered(error: KafkaError | None, message: Message) -> None:
            self.in_flight -= 1
            self.in_flight_bytes -= size
            if error is None:
                self.trouble = None
            on_delivery(error, message)

        try:
            if headers is None:
                producer.produce(topic, value, key, on_delivery=delivered, timestamp=timestamp_ms)
            else:
                producer.produce(topic, value, key, on_delivery=delivered, timestamp=timestamp_ms, headers=headers)
        except BufferError:
            return False
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                limit = self._config.get("message.max.bytes", 1_000_000)
                raise Undeliverable(
                    "too_large", f"the record has {size} bytes, topic {topic} allows {limit}; raise max.message.bytes"
                ) from None
            raise IngestError(f"Kafka producer: {cause.str()}") from None
        self.in_flight += 1
        self.in_flight_bytes += size
        return True

    def send_all(self, topic: str, records: Sequence[Record], done: Callable[[Shipment], None]) -> int:
        """Queues records in order, up to the first that cannot be; `send` says why that is. Returns how many it queued.

        `done` is called once for all of these. Costs half of what `send` costs for each (no closure, no books).
        """
        shipment = Shipment(done=self._arrived(done))
        produce, delivered = self._producers[0].produce, shipment.delivered
        sharded = len(self._producers) > 1
        queued = size = 0
        try:
            for key, value, headers, timestamp_ms in records:
                if sharded:
                    produce = self._producer_of(key).produce
                produce(topic, value, key, _ANY_PARTITION, delivered, None, timestamp_ms, headers)
                size += len(value)
                queued += 1
        except (BufferError, KafkaException):
            pass  # tried again by `send`
        shipment.records = shipment.missing = queued
        shipment.bytes = size
        self.in_flight += queued
        self.in_flight_bytes += size
        return queued

    def _producer_of(self, key: bytes | None) -> Producer:
        """Always the same for a key, so that its order holds."""
        producers = self._producers
        return producers[zlib.crc32(key) % len(producers)] if key and len(producers) > 1 else producers[0]

    def _arrived(self, done: Callable[[Shipment], None]) -> Callable[[Shipment], None]:
        def arrived(shipment: Shipment) -> None:
            self.in_flight -= shipment.records
            self.in_flight_bytes -= shipment.bytes
            if len(shipment.failed) < shipment.records:
                self.trouble = None
            done(shipment)

        return arrived

    def poll(self, timeout: float) -> None:
        """Runs delivery callbacks; waits up to `timeout` seconds for the first."""
        for producer in self._producers[1:]:
            producer.poll(0)
        self._producers[0].poll(timeout)

    def flush(self, timeout: float) -> None:
        """Runs delivery callbacks, waiting up to `timeout` seconds for the last of them. Nothing lingers meanwhile."""
        if not timeout or not self.in_flight:
            self.poll(timeout)
            return
        for producer in self._producers:
            producer.flush(timeout / self._count)

    def close(self) -> None:
        """Sends what lingers without waiting for more; `join` waits for the acknowledgements."""
        for producer in self._producers:
            producer.flush(0)

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None] = lambda: None) -> bool:
        """Waits for all acknowledgements; True when none is missing. Calls `while_waiting` several times a second."""
        for producer in self._producers:
            while producer.flush(min(0.2, deadline.remaining())) and not deadline.expired:
                while_waiting()
        return self.in_flight == 0

    def terminate(self) -> None:
        """Throws away what is not acknowledged yet; its checkpoint has not moved."""
        for producer in self._producers:
            producer.purge()
            producer.poll(0)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            # Why is in the complaint before it; one broker's alone is no trouble while others take records.
            self.trouble = f"Kafka at {self._config['bootstrap.servers']}: {self._complaint or error.str()}"
        else:
            self._complaint = error.str()
        held = self._repeated.admit(error.name())
        if held is not None:
            logger.warning("Kafka: %s%s.", error.str(), f" ({held} more like it)" if held else "")

    def _stats_of(self, index: int) -> Callable[[str], None]:
        def on_stats(text: str) -> None:
            self.statistics.update(text, producer=index)
            if self.statistics.brokers_up:
                self.trouble = None

        return on_stats
