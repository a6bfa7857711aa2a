"""Reads records again at their old places, for dead letters that had to leave them out."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from ingest.errors import Undeliverable, Unreachable
from ingest.kafka.bounded_reader import CONSUMER, BoundedReader
from ingest.kafka.client import new_consumer
from ingest.kafka.dead_letters.restore import Letter, Place
from ingest.kafka.headers import headers_of
from ingest.timing import Deadline

ANSWER_SECONDS = 30.0
_POLL_SECONDS = 0.2


class Originals:
    """`read, close`, on one thread. Nothing is committed."""

    def __init__(self, settings: Mapping[str, Any], group: str) -> None:
        """`group` is never joined, but brokers can require the right to use its name."""
        self._config = {**CONSUMER, **settings, "group.id": group}
        self._consumer: Consumer | None = None

    def read(self, place: Place) -> Letter:
        """Raises Undeliverable with the reason `gone` if it is no longer there, Unreachable if Kafka does not
        answer."""
        consumer = self._consumer = self._consumer or new_consumer(self._config)
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(*place[:2]), timeout=ANSWER_SECONDS)
        except KafkaException as failed:
            raise Unreachable(f"topic {place.topic} cannot be read: {failed.args[0].str()}") from failed
        found = self._at(consumer, place) if low <= place.offset < high else None
        if found is None:
            raise Undeliverable(
                "gone",
                f"its body was too large for the dead-letter topic, and {place} Kafka no longer has the original",
            )
        return found

    def _at(self, consumer: Consumer, place: Place) -> Letter | None:
        stretch = BoundedReader(consumer, place.topic, {place.partition: (place.offset, place.offset + 1)})
        deadline = Deadline(ANSWER_SECONDS)
        while not stretch.done:
            if deadline.expired:
                raise Unreachable(f"{place} cannot be read: {stretch.trouble}")
            for message in stretch.poll(1, _POLL_SECONDS):
                return letter_of(message)
        return None

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


def letter_of(message: Message) -> Letter:
    key, value = message.key(), message.value()
    return Letter(
        key.encode() if isinstance(key, str) else key,
        value.encode() if isinstance(value, str) else value or b"",
        headers_of(message),
    )
