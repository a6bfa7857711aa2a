"""Reads commands again from their places if they were read but not kept; without a consumer group or commits."""

import uuid
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingest.config import Kafka
from ingest.kafka.client import ClientHealth, new_consumer, settings
from ingest.kafka.unreadable import Unreadable
from ingest.sink.commands.command import Origin
from ingest.sink.intake.consumer import Place

MOST = 500
FAR = 10_000
"""Above this distance between two wanted offsets the client jumps; below, it reads what is between."""


class Found(NamedTuple):
    """One wanted place."""

    device_id: str
    origin: Origin
    message: Message | None
    """None: Kafka no longer has it."""


class Again:
    """`want, poll, drop, close`, on one thread. It is asked for some places at a time."""

    def __init__(self, kafka: Kafka, *, client_id: str) -> None:
        self._config = {
            # Required by the client; no group is joined, as partitions are assigned manually.
            "group.id": f"{client_id}-{uuid.uuid4()}",
            "client.id": client_id,
            "enable.auto.commit": False,
            # What comes instead shows what was deleted meanwhile.
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 2_048,
            # All that is wanted exists. At the end of a partition a fetch waits this long, and delays the next places.
            "fetch.wait.max.ms": 10,
            **settings(kafka),
        }
        self._wanted: dict[Place, deque[tuple[int, str]]] = {}
        """Offsets and devices, in ascending order; never empty."""
        self._unreadable: dict[Place, Unreadable] = {}
        self._consumer: Consumer | None = None
        self._health = ClientHealth(self._config, purpose="reading waiting commands again")

    @property
    def idle(self) -> bool:
        """Whether `want` may be called: all that was wanted has come."""
        return not self._wanted

    def want(self, places: Iterable[tuple[str, Origin]]) -> None:
        """Asks for these places; `poll` returns the answers, those of one partition in order."""
        assert self.idle, "all that was wanted comes first"
        by_place: dict[Place, list[tuple[int, str]]] = {}
        for device_id, (topic, partition, offset) in places:
            by_place.setdefault((topic, partition), []).append((offset, device_id))
        if not by_place:
            return
        self._wanted = {place: deque(sorted(wanted)) for place, wanted in by_place.items()}
        self._unreadable.clear()
        if self._consumer is None:
            self._consumer = new_consumer(self._config, error_cb=self._health.on_error)
        self._consumer.assign([TopicPartition(*place, wanted[0][0]) for place, wanted in self._wanted.items()])

    def poll(self) -> list[Found]:
        """Returns what has come, without waiting."""
        found: list[Found] = []
        if self._consumer is None:
            return found
        for message in self._consumer.consume(MOST, 0):
            place = (message.topic() or "", message.partition() or 0)
            if place in self._wanted:
                self._take(place, message, found)
        if found and self.idle:
            self._consumer.unassign()
        return found

    def drop(self, places: Iterable[Place]) -> None:
        """Asks for nothing more of these partitions."""
        for place in places:
            self._wanted.pop(place, None)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _take(self, place: Place, message: Message, found: list[Found]) -> None:
        error, offset, wanted = message.error(), message.offset() or 0, self._wanted[place]
        if error is None:
            self._gone(place, offset, found)
            if wanted and wanted[0][0] == offset:
                found.append(Found(wanted.popleft()[1], Origin(*place, offset), message))
        elif error.code() == KafkaError._PARTITION_EOF:
            self._gone(place, offset, found)
        else:
            self._health.on_error(error)
            if not self._unreadable.setdefault(place, Unreadable()).is_certain(error, offset):
                return
            # It was readable before. What follows in the same batch comes here again.
            self._gone(place, wanted[0][0] + 1, found)
            offset = -FAR
        if not wanted:
            del self._wanted[place]
        elif wanted[0][0] - offset > FAR:
            self._jump(place, wanted[0][0])

    def _gone(self, place: Place, before: int, found: list[Found]) -> None:
        wanted = self._wanted[place]
        while wanted and wanted[0][0] < before:
            offset, device_id = wanted.popleft()
            found.append(Found(device_id, Origin(*place, offset), None))

    def _jump(self, place: Place, offset: int) -> None:
        assert self._consumer is not None
        try:
            self._consumer.seek(TopicPartition(*place, offset))
        except KafkaException as error:
            # Then everything between is read.
            self._health.on_error(error.args[0])
