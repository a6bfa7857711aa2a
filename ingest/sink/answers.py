"""What devices made of their commands, read from the feedback topic: it gives each device's credit back.

The feedback process writes the topic for everybody; every sink process reads all of it from now on, because any of them
may have sent the command. Nothing is committed: after a restart the credit starts anew as well.
"""

import logging
import uuid

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingest.config import Kafka
from ingest.kafka.producer import settings
from ingest.kafka.unreadable import Unreadable
from ingest.sink.feedback_batch import read_back

METADATA_SECONDS = 5.0
MOST = 500

logger = logging.getLogger(__name__)


class Answers:
    """`start, poll, close`, on one thread."""

    def __init__(self, kafka: Kafka, topic: str, *, client_id: str) -> None:
        self._topic = topic
        self._config = {
            "client.id": client_id,
            # Required by the client; no group is joined, as partitions are assigned by hand.
            "group.id": f"{client_id}-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "log_level": 2,
            **settings(kafka),
        }
        self._unreadable: dict[int, Unreadable] = {}
        self._consumer: Consumer | None = None

    def start(self) -> None:
        """Starts at the end of the topic. A cluster that does not answer now only costs saved refusals."""
        self._consumer = Consumer({**self._config, "error_cb": self._on_error}, logger=logger)
        try:
            partitions = self._consumer.list_topics(self._topic, METADATA_SECONDS).topics[self._topic].partitions
        except KafkaException as error:
            logger.warning("Feedback of devices is not read back: %s.", error.args[0].str())
            return
        self._consumer.assign([TopicPartition(self._topic, partition, OFFSET_END) for partition in partitions])

    def poll(self) -> list[tuple[str, str]]:
        """(device id, message id) of each feedback record that came; at most some hundred, without waiting."""
        if self._consumer is None:
            return []
        found = []
        for message in self._consumer.consume(MOST, 0):
            value, error = message.value(), message.error()
            if error is not None:
                self._pass_over(message, error)
                continue
            told = read_back(value) if isinstance(value, bytes) else None
            if told is not None:
                found.append((told[0], told[1]))
        return found

    def _pass_over(self, message: Message, error: KafkaError) -> None:
        """Goes on at the end of a partition with a record that cannot be read: that only costs saved refusals."""
        partition, offset = message.partition() or 0, message.offset() or 0
        if self._consumer is not None and self._unreadable.setdefault(partition, Unreadable()).is_certain(
            error, offset
        ):
            logger.warning(
                "%s[%d] at %d cannot be read and is passed over: %s.", self._topic, partition, offset, error.str()
            )
            self._consumer.seek(TopicPartition(self._topic, partition, OFFSET_END))

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    @staticmethod
    def _on_error(error: KafkaError) -> None:
        logger.debug("Feedback topic: %s", error.str())
