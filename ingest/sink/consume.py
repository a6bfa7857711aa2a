"""Command records out of Kafka: one member of the consumer group, and what it may commit."""

import contextlib
import logging
from collections.abc import Callable
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingest.config import Kafka
from ingest.deadletter import Header
from ingest.errors import Recycle
from ingest.kafka.producer import settings
from ingest.kafka.statistics import KafkaStatistics
from ingest.logs import Repeated, and_more
from ingest.sink.command import Origin
from ingest.sink.prefix import Prefix

Place: TypeAlias = tuple[str, int]
"""(topic, partition)"""

DEFAULTS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    # A partition moves without stopping the others.
    "partition.assignment.strategy": "cooperative-sticky",
    # The partitions of a killed process stand still for so long; the default is 45 s.
    "session.timeout.ms": 10_000,
    "queued.max.messages.kbytes": 8_192,
    "statistics.interval.ms": 2_000,
    # What librdkafka logs of lost connections, the error callback tells, too, and less often.
    "log_level": 2,
}

logger = logging.getLogger(__name__)


def headers_of(message: Message) -> list[Header]:
    """A record's headers, [] when it has none."""
    headers = message.headers()
    return list(headers.items() if isinstance(headers, dict) else headers or ())


class Commands:
    """`start, poll, finish, commit, close`, on one thread. Commits only the contiguous prefix of finished records."""

    def __init__(
        self,
        kafka: Kafka,
        topics: tuple[str, ...],
        group: str,
        *,
        client_id: str,
        on_revoked: Callable[[list[Place]], None],
    ) -> None:
        """`on_revoked` is called, inside `poll` or `close`, before partitions go to another member: it finishes or drops
        what is in flight of them."""
        self.trouble: str | None = None
        self._topics = topics
        self._config = {**DEFAULTS, "client.id": client_id, "group.id": group, **settings(kafka)}
        self._on_revoked = on_revoked
        self._prefixes: dict[Place, Prefix] = {}
        self._committed: dict[Place, int] = {}
        self._paused: bool | None = False
        """None: some may be and some not."""
        self._repeated = Repeated()
        self._statistics = KafkaStatistics()
        self._consumer: Consumer | None = None

    def start(self) -> None:
        callbacks = {"error_cb": self._on_error, "stats_cb": self._on_statistics, "on_commit": self._on_commit}
        self._consumer = Consumer({**self._config, **callbacks}, logger=logger)
        self._consumer.subscribe(
            list(self._topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    @property
    def assigned(self) -> list[Place]:
        return list(self._prefixes)

    @property
    def lag(self) -> int:
        """Records of the assigned partitions that are not finished, as far as the last fetch told."""
        lag = 0
        for (topic, partition), prefix in self._prefixes.items():
            high = self._high(topic, partition)
            position = prefix.commit
            if high is not None and position is not None:
                lag += max(0, high - position)
        return lag

    def poll(self, count: int, timeout: float) -> list[Message]:
        """Up to `count` records; with 0, serves the group only and fetches nothing more for now."""
        consumer = self._started
        self._pause(count == 0)
        messages = consumer.consume(max(count, 1), timeout)
        records = []
        for message in messages:
            error = message.error()
            if error is not None:
                self._failed(error)
                continue
            place = (message.topic() or "", message.partition() or 0)
            prefix = self._prefixes.get(place)
            if prefix is not None:
                prefix.add(message.offset() or 0)
                records.append(message)
        return records

    def finish(self, origin: Origin) -> None:
        """The record needs nothing more. One of a partition that has gone to another member is that member's now."""
        prefix = self._prefixes.get((origin.topic, origin.partition))
        if prefix is not None:
            # A partition that left and came back is read again: its commands may be finished twice.
            with contextlib.suppress(KeyError):
                prefix.finish(origin.offset)

    def commit(self, *, wait: bool = False, places: list[Place] | None = None) -> None:
        """Commits what is finished, of all partitions or of `places`."""
        offsets = []
        for place in self._prefixes if places is None else places:
            prefix = self._prefixes.get(place)
            offset = prefix.commit if prefix is not None else None
            if offset is not None and offset != self._committed.get(place):
                offsets.append(TopicPartition(*place, offset))
                self._committed[place] = offset
        if not offsets:
            return
        try:
            if wait:
                self._started.commit(offsets=offsets, asynchronous=False)
            else:
                self._started.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._on_commit(error.args[0], offsets)

    def close(self) -> None:
        """Commits and leaves the group."""
        if self._consumer is not None:
            self.commit(wait=True)
            self._consumer.close()
            self._consumer = None

    @property
    def _started(self) -> Consumer:
        assert self._consumer is not None, "start comes first"
        return self._consumer

    def _high(self, topic: str, partition: int) -> int | None:
        try:
            return self._started.get_watermark_offsets(TopicPartition(topic, partition), cached=True)[1]
        except (KafkaException, TypeError):
            return None

    def _pause(self, wanted: bool) -> None:
        if wanted != self._paused and self._prefixes:
            places = [TopicPartition(*place) for place in self._prefixes]
            if wanted:
                self._started.pause(places)
            else:
                self._started.resume(places)
            self._paused = wanted

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for new in partitions:
            self._prefixes[new.topic, new.partition] = Prefix()
        self._paused = None
        if partitions:
            logger.info("Commands come from %s.", ", ".join(f"{new.topic}[{new.partition}]" for new in partitions))

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        places = [(gone.topic, gone.partition) for gone in partitions]
        self._on_revoked(places)
        self.commit(wait=True, places=places)
        self._forget(places)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """The group went on without this member: what it holds belongs to others already and must not be committed."""
        places = [(gone.topic, gone.partition) for gone in partitions]
        self._forget(places)
        self._on_revoked(places)

    def _forget(self, places: list[Place]) -> None:
        for place in places:
            self._prefixes.pop(place, None)
            self._committed.pop(place, None)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if error is None:
            return
        for failed in partitions:
            self._committed.pop((failed.topic, failed.partition), None)
        held = self._repeated.admit(f"commit {error.name()}")
        if held is not None:
            logger.warning("Offsets not committed (they will be again): %s%s.", error.str(), and_more(held))

    def _failed(self, error: KafkaError) -> None:
        if error.fatal():
            raise Recycle(f"Kafka consumer: {error.str()}")
        self._on_error(error)

    def _on_statistics(self, text: str) -> None:
        self._statistics.update(text, producer=0)
        if self._statistics.brokers_up:
            self.trouble = None

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.trouble = f"Kafka at {self._config['bootstrap.servers']}: {error.str()}"
        held = self._repeated.admit(error.name())
        if held is not None:
            logger.warning("Kafka: %s%s.", error.str(), and_more(held))
