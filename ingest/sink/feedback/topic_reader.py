"""Reads from the feedback topic what became of commands, which gives each device's credit back.

The feedback process writes the topic for all sink processes; each of them reads all new records, because any of them
can have sent the command. Nothing is committed: after a restart the credit starts again as well.
"""

import logging
import time
import uuid
from collections.abc import Callable

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingest.config import Kafka
from ingest.kafka.client import STATISTICS_MS, ClientHealth, new_consumer, settings
from ingest.kafka.unreadable import Unreadable
from ingest.sink.feedback.message import read_back
from ingest.timing import Backoff, Deadline

METADATA_SECONDS = 5.0
"""How long the process's loop stands still for metadata."""
MOST = 500

logger = logging.getLogger(__name__)


class FeedbackReader:
    """`start, poll, close`, on one thread."""

    def __init__(
        self, kafka: Kafka, topic: str, *, client_id: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.trouble: str | None = "the feedback topic is not looked up yet"
        """Why nothing is read back; None while it is."""
        self._clock = clock
        self._backoff = Backoff(0.5, 15.0)
        self._failures = 0
        self._ask_at = 0.0
        self._topic = topic
        self._config = {
            "client.id": client_id,
            # Required by the client; no group is joined, as partitions are assigned manually.
            "group.id": f"{client_id}-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "statistics.interval.ms": STATISTICS_MS,
            **settings(kafka),
            # Feedback is never skipped: reading it twice changes nothing.
            "auto.offset.reset": "earliest",
        }
        self._unreadable: dict[int, Unreadable] = {}
        # The process's other consumer reports errors, too.
        self._health = ClientHealth(self._config, purpose="reading feedback back", level=logging.DEBUG)
        self._consumer: Consumer | None = None

    def start(self) -> None:
        """Asks where the topic ends; without an answer, `poll` asks again."""
        self._consumer = new_consumer(self._config, **self._health.callbacks())
        self._seek_end()

    @property
    def ready(self) -> bool:
        """Whether it reads. Send nothing before: that feedback is missed, and with it a device's credit for an hour."""
        return self.trouble is None

    @property
    def silence(self) -> str | None:
        """Which broker owes answers and gives none, in words; its records are read later, and none is missed."""
        silence = self._health.statistics.silence
        return f"Kafka's feedback topic {self._topic}: {silence}" if silence is not None else None

    def _seek_end(self) -> None:
        if self._consumer is None:
            return
        try:
            places = self._ends(self._consumer)
        except KafkaException as error:
            why = error.args[0].str()
        else:
            if isinstance(places, list):
                self._consumer.assign(places)
                if self._failures:
                    logger.info("Feedback of devices is read back now.")
                self.trouble, self._failures = None, 0
                return
            why = places
        self._failures += 1
        self.trouble = f"topic {self._topic} cannot be looked up: {why}"
        self._ask_at = self._clock() + self._backoff.next()
        if self._failures == 1:
            logger.warning("Feedback of devices is not read back yet: %s. Trying again.", self.trouble)

    def _ends(self, consumer: Consumer) -> list[TopicPartition] | str:
        """Returns where each partition of the topic ends now; a sentence if that is still unknown. Raises
        KafkaException.

        Not OFFSET_END, which a partition's leader turns into a number only once it is reachable: earlier feedback would
        be missed.
        """
        deadline = Deadline(METADATA_SECONDS)
        found = consumer.list_topics(self._topic, METADATA_SECONDS).topics[self._topic]
        if found.error is not None:
            return str(found.error.str())
        if not found.partitions:
            return "it has no partitions"
        places = []
        for partition in found.partitions:
            place = TopicPartition(self._topic, partition)
            ends = consumer.get_watermark_offsets(place, timeout=max(0.1, deadline.remaining()), cached=False)
            if ends is None:
                return f"partition {partition} does not say where it ends"
            places.append(TopicPartition(self._topic, partition, ends[1]))
        return places

    def poll(self) -> list[tuple[str, str]]:
        """Returns (device id, message id) of each feedback record that came; at most some hundred, without waiting.
        While it does not read, it asks again now and then, which takes up to `METADATA_SECONDS`."""
        if self._consumer is None:
            return []
        if not self.ready:
            if self._clock() >= self._ask_at:
                self._seek_end()
            else:
                self._consumer.poll(0)
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
        """Goes on at the end of a partition with an unreadable record: that only costs some refusals."""
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
