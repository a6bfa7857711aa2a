"""One member of the consumer group: a consumer, and the thread that polls it.

The thread waits while lost partitions are not let go of; librdkafka sends heartbeats from a thread of its own.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Literal

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from ingest.cluster.contract import Change
from ingest.errors import IngestError
from ingest.kafka.client import ClientHealth, new_consumer
from ingest.kafka.leaving import leave
from ingest.logs import Repeated, and_more
from ingest.timing import Deadline, joined

POLL_SECONDS: Final = 0.1
"""How long `close` can go unnoticed."""
RELEASE_SECONDS: Final = 8.0
"""How long lost partitions wait for `release`: longer than a process has to end."""
ERROR_SECONDS: Final = 2.0
"""Until what failed is tried again."""

logger = logging.getLogger(__name__)


class KafkaMember:
    """`start, release, close, join`; any thread may call them. `tell` is called on the member's own."""

    def __init__(self, chosen: Mapping[str, Any], topic: str, tell: Callable[[Change], None]) -> None:
        """`chosen`: librdkafka's settings, with `group.id` and `client.id`."""
        self.joined = False
        """Whether it is in the group, even if it has no partitions."""
        self.rebalances = 0
        self._chosen = chosen
        self._topic = topic
        self._group = str(chosen["group.id"])
        self._tell_change = tell
        self._health = ClientHealth(chosen, purpose="the group of nodes")
        self._trouble: str | None = None
        self._condition = threading.Condition()
        self._awaited: set[str] = set()
        """Lost partitions that are not released."""
        self._closing = False
        self._repeated = Repeated()
        self._thread = threading.Thread(target=self._run, name="kafka-group", daemon=True)

    @property
    def trouble(self) -> str | None:
        """Why the group cannot be reached, in words; None while it can."""
        return self._trouble or self._health.trouble

    def start(self) -> None:
        self._thread.start()

    def release(self, partitions: Collection[str]) -> None:
        with self._condition:
            self._awaited -= set(partitions)
            self._condition.notify_all()

    def close(self) -> None:
        with self._condition:
            self._closing = True
            self._condition.notify_all()

    def join(self, deadline: Deadline) -> bool:
        return joined(self._thread, deadline)

    def _run(self) -> None:
        consumer = self._opened()
        if consumer is None:
            return
        while not self._closing:
            try:
                message = consumer.poll(POLL_SECONDS)
            except Exception as error:  # whatever it is, a node that is in no group any more must not go on in silence
                logger.debug("The group of nodes", exc_info=True)
                self._report(error)
                continue
            if message is not None:
                self._hear(message)
        leave(consumer)

    def _opened(self) -> Consumer | None:
        """Returns a consumer that has begun to join; None if the group is left before that works."""
        while not self._closing:
            try:
                consumer = new_consumer(self._chosen, **self._health.callbacks())
                consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
            except (KafkaException, IngestError) as error:
                self._report(error)
                continue
            self._trouble = None
            return consumer
        return None

    def _hear(self, message: Message) -> None:
        """Takes what is not a record: partitions are paused, so none comes."""
        error = message.error()
        if error is None:
            return
        self._tell(error.name(), error.str())

    def _report(self, error: Exception) -> None:
        self._tell(type(error).__name__, str(error))
        with self._condition:
            self._condition.wait_for(lambda: self._closing, ERROR_SECONDS)

    def _tell(self, kind: str, words: str) -> None:
        self._trouble = f"the group {self._group}: {words}"
        held = self._repeated.admit(kind)
        if held is not None:
            logger.warning("The group %s: %s%s.", self._group, words.rstrip("."), and_more(held))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # With an offset nothing is looked up, and paused nothing is fetched.
        mine = [TopicPartition(self._topic, each.partition, 0) for each in partitions]
        consumer.incremental_assign(mine)
        if mine:
            consumer.pause(mine)
        self._trouble = None
        self.joined = True
        self._shared_out("gained", partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        lost = _ids(partitions)
        with self._condition:
            self._awaited = set(lost)
        self._shared_out("lost", partitions)
        with self._condition:
            # Heartbeats go on meanwhile.
            released = self._condition.wait_for(lambda: self._closing or not self._awaited, RELEASE_SECONDS)
        if not released:
            logger.error("Partitions %s are handed over although their processes have not ended.", ", ".join(lost))
            self._tell_change(Change("stolen", lost))
        consumer.incremental_unassign(partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        logger.warning(
            "The group of nodes has gone on without this one, as it was not heard for %g s: its %d partitions are others'.",
            int(self._chosen["session.timeout.ms"]) / 1000,
            len(partitions),
        )
        self.joined = False
        self._shared_out("stolen", partitions)
        consumer.incremental_unassign(partitions)

    def _shared_out(self, kind: Literal["gained", "lost", "stolen"], partitions: list[TopicPartition]) -> None:
        self.rebalances += kind == "gained"
        self._tell_change(Change(kind, _ids(partitions)))


def _ids(partitions: Iterable[TopicPartition]) -> tuple[str, ...]:
    return tuple(str(number) for number in sorted(each.partition for each in partitions))
