"""The demo's own reader of the topic, which trusts no other counter: it passes every record to the audit."""

import orjson
from confluent_kafka import KafkaError, Message, TopicPartition

from ingest.demo.audit import Audit
from ingest.errors import IngestError
from ingest.kafka.client import new_consumer
from ingest.timing import Deadline

BATCH_RECORDS = 1_000


class TopicReader:
    """Reads every partition from its first record on. Joins no consumer group; commits nothing."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self.audit = Audit()
        self._topic = topic
        self._next = dict.fromkeys(range(partitions), 0)
        """Kafka partition → next offset."""
        self._consumer = new_consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "ingest-demo-audit",
                "isolation.level": "read_committed",
                # Ends of transactions have offsets, too, and are no records.
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                # A record that Kafka drops before it is counted must cause an error.
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                "log_level": 3,
            }
        )

    def start(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, partition, 0) for partition in self._next])

    def poll(self, seconds: float) -> None:
        """Reads the available records, waiting up to `seconds` for the first. Raises IngestError if uncounted records
        are gone."""
        for message in self._consumer.consume(BATCH_RECORDS, seconds):
            error = message.error()
            if error is None:
                self._count(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._passed(message)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise IngestError(
                    f"the embedded Kafka has dropped records of {self._topic}-{message.partition()} before they were "
                    "counted, because it keeps 5 MiB only: try a lower --rate"
                )

    def read_to_end(self, deadline: Deadline) -> bool:
        """Reads everything that is in the topic now. Returns whether it did so by the deadline."""
        ends = {
            partition: self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=max(0.1, deadline.remaining())
            )[1]
            for partition in self._next
        }
        while any(self._next[partition] < end for partition, end in ends.items()):
            if deadline.expired:
                return False
            self.poll(0.1)
        return True

    def close(self) -> None:
        self._consumer.close()

    def _passed(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self._next[partition] = max(self._next[partition], offset)

    def _count(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self._next[partition] = offset + 1
        event = event_of(message.key(), message.value())
        if event is None:
            self.audit.see_unreadable()
        else:
            self.audit.see(*event)


def event_of(key: object, value: object) -> tuple[str, int] | None:
    """Returns (device id, the device's own counter) of a record in the format `json`; None unless key, record and body
    name the same device."""
    try:
        if not isinstance(key, bytes) or not isinstance(value, bytes):
            return None
        record = orjson.loads(value)
        body = orjson.loads(record["content"])
        device_id, counter = body["deviceId"], body["counter"]
        if device_id != record["deviceId"] or device_id.encode() != key or not isinstance(counter, int) or counter < 1:
            return None
        return device_id, counter
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
