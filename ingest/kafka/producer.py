"""A pool of librdkafka producers, sharded by key so that the order of one key holds."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ingest.config import Kafka, event_hubs
from ingest.errors import IngestError, RestartRequired, Undeliverable
from ingest.kafka.client import SILENT_MS, STATISTICS_MS, ClientHealth, new_producer, settings
from ingest.kafka.records import Headers, Record
from ingest.kafka.shipment import OnDelivery
from ingest.timing import Deadline

DEFAULTS: Mapping[str, str | int | bool] = {
    "enable.idempotence": True,
    "acks": "all",
    # A record waits as long as it must: dropping it is never better, and the sender bounds the memory.
    "message.timeout.ms": 0,
    # If a broker does not acknowledge in time, it is asked again over another connection; idempotence drops repeats.
    "request.timeout.ms": SILENT_MS,
    "compression.type": "lz4",
    # Time for a whole shipment to get into the queue. `flush` does not wait for it.
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 65_536,
    # Java's partitioner, so that equal keys share a partition with other producers' records.
    "partitioner": "murmur2_random",
    "statistics.interval.ms": STATISTICS_MS,
    "reconnect.backoff.max.ms": 5_000,
}

_MOST_BYTES = 1_000_000_000
"""librdkafka's own limit."""
TOO_LARGE = "too_large"
NOT_SENDABLE = "not_sendable"
"""Reasons why a record cannot be sent, whatever the state of the cluster."""
_FATAL = (KafkaException, SystemError)
"""What `poll` and `flush` raise after librdkafka's fatal errors, which make a producer unusable. Which one the client
raises depends on the callback that it runs next."""


def record_bytes(key: bytes | None, value: bytes, headers: Headers | None) -> int:
    """Returns one record's size as librdkafka compares it with `message.max.bytes`, without its own addition."""
    named = sum(len(name.encode()) + len(content or b"") for name, content in headers or ())
    return len(key or b"") + len(value) + named


class ProducerPool:
    """`start, poll, close, terminate, join`; all on one thread. Callbacks run inside `poll`, `close` and `join`."""

    def __init__(self, kafka: Kafka, *, client_id: str, max_record_bytes: int | None = None) -> None:
        self.in_flight = 0
        self.in_flight_bytes = 0
        self._chosen = {**DEFAULTS, "client.id": client_id, **settings(kafka)}
        self.health = ClientHealth(self._chosen, silence_is_trouble=True)
        self._most_bytes = event_hubs.LARGEST_RECORD if kafka.kind == "event_hubs" else _MOST_BYTES
        self._config = self._limited(max_record_bytes)
        self._count = kafka.producers
        self.clients: list[Producer] = []
        """All producers that were made, and must be polled."""
        self._producers: list[Producer] = []
        """The producers that `send` uses."""

    @property
    def trouble(self) -> str | None:
        """Why Kafka cannot be reached, in words; None while it can."""
        return self.health.trouble

    @property
    def batch_bytes(self) -> int:
        """The bytes that one request carries for one partition of a topic."""
        return int(self._config["batch.size"])

    @property
    def max_record_bytes(self) -> int:
        """Larger records are already refused here."""
        return int(self._config.get("message.max.bytes", 1_000_000))

    def start(self) -> None:
        self._producers = self.clients = self._made()

    def limit(self, max_record_bytes: int) -> None:
        """Sets how many bytes a record of the topic may have from now on. Nothing may be in flight."""
        self._config = self._limited(max_record_bytes)
        self.start()

    def _limited(self, max_record_bytes: int | None) -> dict[str, Any]:
        """Returns settings with which librdkafka itself refuses larger records, one by one, and never builds a batch that
        the topic refuses as a whole, good records and bad together."""
        if max_record_bytes is None:
            return dict(self._chosen)
        most = min(max(max_record_bytes, 1_000), self._most_bytes)
        return {**self._chosen, "message.max.bytes": most, "batch.size": min(int(self._chosen["batch.size"]), most)}

    def _made(self, first: int = 0, **more: str | int | bool) -> list[Producer]:
        """Returns new producers with `more` settings. The statistics of the first are kept under the number `first`."""
        return [
            new_producer({**self._config, **more}, **self.health.callbacks(first + index))
            for index in range(self._count)
        ]

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        headers: Headers | None,
        timestamp_ms: int,
        on_delivery: OnDelivery,
    ) -> bool:
        """Queues one record. Returns False if librdkafka's queue is full: `poll`, then send the same record again.

        Raises Undeliverable if the record is larger than the topic allows or no client can send it, IngestError if the
        producer is broken or the topic is gone.
        """
        size = len(value)

        def delivered(error: KafkaError | None, message: Message) -> None:
            self.in_flight -= 1
            self.in_flight_bytes -= size
            if error is None:
                self.health.answered()
            on_delivery(error, message)

        if not self._queue(shard(self._producers, key), topic, (key, value, headers, timestamp_ms), delivered):
            return False
        self.in_flight += 1
        self.in_flight_bytes += size
        return True

    def _queue(self, producer: Producer, topic: str, record: Record, on_delivery: OnDelivery) -> bool:
        """As `send`, without the counts."""
        key, value, headers, timestamp_ms = record
        try:
            if headers is None:
                producer.produce(topic, value, key, on_delivery=on_delivery, timestamp=timestamp_ms)
            else:
                _check_names(headers)
                producer.produce(topic, value, key, on_delivery=on_delivery, timestamp=timestamp_ms, headers=headers)
        except BufferError:
            return False
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                size = record_bytes(key, value, headers)
                limit = self.max_record_bytes
                raise Undeliverable(
                    "too_large", f"the record has {size} bytes, topic {topic} allows {limit}; raise max.message.bytes"
                ) from None
            if cause.code() == KafkaError._INVALID_ARG:
                raise Undeliverable(NOT_SENDABLE, f"the Kafka client takes no such record: {cause.str()}") from None
            raise IngestError(f"Kafka producer: {cause.str()}") from None
        except MemoryError:
            raise
        except Exception as error:  # TypeError, ValueError, OverflowError, SystemError: whatever the client raises
            raise Undeliverable(
                NOT_SENDABLE, f"the Kafka client takes no such record: {type(error).__name__}: {error}"
            ) from None
        return True

    def poll(self, timeout: float) -> None:
        """Runs delivery callbacks; waits up to `timeout` seconds for the first."""
        try:
            for producer in self.clients[1:]:
                producer.poll(0)
            self.clients[0].poll(timeout)
        except _FATAL as error:
            raise _broken(error) from None

    def flush(self, timeout: float) -> None:
        """Runs delivery callbacks; waits up to `timeout` seconds for the last of them. Nothing lingers meanwhile."""
        if not timeout or not self.in_flight:
            self.poll(timeout)
            return
        try:
            for producer in self.clients:
                producer.flush(timeout / len(self.clients))
        except _FATAL as error:
            raise _broken(error) from None

    def close(self) -> None:
        """Sends what lingers at once; `join` waits for the acknowledgements."""
        for producer in self.clients:
            producer.flush(0)

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None] = lambda: None) -> bool:
        """Waits for all acknowledgements; returns whether all came. Calls `while_waiting` several times a second."""
        for producer in self.clients:
            while producer.flush(min(0.2, deadline.remaining())) and not deadline.expired:
                while_waiting()
        return self.in_flight == 0

    def terminate(self) -> None:
        """Drops what is not acknowledged yet; its checkpoint has not moved."""
        for producer in self.clients:
            producer.purge()
            producer.poll(0)


def shard(producers: Sequence[Producer], key: bytes | None) -> Producer:
    """Returns always the same producer for a key, so that its order holds."""
    return producers[zlib.crc32(key) % len(producers)] if key and len(producers) > 1 else producers[0]


def _check_names(headers: Headers) -> None:
    """Raises UnicodeEncodeError if confluent-kafka 2.16 would read a null pointer and end the process."""
    for name, _ in headers:
        name.encode()


def _broken(error: Exception) -> RestartRequired:
    cause = error.args[0] if isinstance(error, KafkaException) else error
    return RestartRequired(f"Kafka producer: {cause.str() if isinstance(cause, KafkaError) else cause}")
