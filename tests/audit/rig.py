"""A hub with a known log, and a topic that was written as a test wants it."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer

from ingest.cli.main import main
from ingest.config import Config
from ingest.config.source import Source
from ingest.emulator import Emulator
from ingest.errors import Undeliverable
from ingest.kafka.admin import TopicSpec, create_topics
from ingest.source.delivery.dead_letters import Letters
from ingest.source.events.event import Event
from ingest.source.formats import make
from tests.audit.records import T0, event
from tests.services.kafka import IN_ORDER, KafkaCluster

PATIENCE = 60.0
PLACES = 3
"""Partitions of the topic."""


class Rig:
    """Two partitions of the hub; two devices in each, whose events alternate, one a second."""

    def __init__(
        self, hub: Emulator, kafka: KafkaCluster, record_format: str = "json", size: int = 100, policy: str = "delete"
    ) -> None:
        self.hub = hub
        self.bootstrap = kafka.bootstrap
        self.topic = f"audit-{uuid4().hex[:8]}"
        self.record_format = record_format
        create_topics(
            kafka.bootstrap,
            {},
            # Without retention: the events are old.
            [
                TopicSpec(name, PLACES, config={"retention.ms": "-1", "cleanup.policy": policy})
                for name in (self.topic, f"{self.topic}.dead")
            ],
            PATIENCE,
        )
        self.logs: dict[str, list[Event]] = {}
        for partition in hub.hub.partitions:
            names = (name for number in range(1_000) if hub.hub.partition_of(name := f"dev-{number}") == partition)
            devices = [next(names), next(names)]
            self.logs[partition] = []
            for number in range(size):
                one = event(number, devices[number % 2], body=b"body %d of %s" % (number, partition.encode()))
                place = hub.hub.publish(devices[number % 2], one.body, enqueued_at_ms=one.enqueued_ms)
                assert place.sequence_number == number
                self.logs[partition].append(one)
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 5, **IN_ORDER})

    def write(self, partition: str, events: Iterable[Event]) -> None:
        encode = make(self.record_format, partition, 7).encode
        for each in events:
            key, value, headers, time_ms = encode(each)
            # One device, one partition of the topic, as with keys.
            self.put(value, key=key, headers=headers, timestamp=time_ms, partition=sum(key or b"") % PLACES)
        assert self._producer.flush(PATIENCE) == 0

    def write_and_abort(self, partition: str, events: Iterable[Event]) -> None:
        """In a transaction that is given up."""
        writer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": self.topic})
        writer.init_transactions(PATIENCE)
        writer.begin_transaction()
        encode = make(self.record_format, partition, 7).encode
        for key, value, _, time_ms in map(encode, events):
            writer.produce(self.topic, value, key, partition=sum(key or b"") % PLACES, timestamp=time_ms)
        assert writer.flush(PATIENCE) == 0
        writer.abort_transaction(PATIENCE)

    def open_transaction(self) -> Producer:
        """Returns a producer that has begun a transaction with a record in each partition of the topic."""
        writer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": self.topic})
        writer.init_transactions(PATIENCE)
        writer.begin_transaction()
        for place in range(PLACES):
            writer.produce(self.topic, b"of another program", partition=place)
        assert writer.flush(PATIENCE) == 0
        return writer

    def write_letter(self, partition: str, one: Event) -> None:
        letters = Letters(Config(source=Source(dead_letter_topic=f"{self.topic}.dead")), partition)
        key, value, headers = letters.of(one, Undeliverable("too_large", "The event is too large."))
        self._producer.produce(f"{self.topic}.dead", value, key, headers=headers)
        assert self._producer.flush(PATIENCE) == 0

    def put(self, value: bytes | None, **how: Any) -> None:
        self._producer.produce(self.topic, value, **how)

    @property
    def options(self) -> Sequence[str]:
        found = {
            "kafka.bootstrap_servers": self.bootstrap,
            "source.topic": self.topic,
            "source.dead_letter_topic": f"{self.topic}.dead",
            "source.format": self.record_format,
        }
        return [word for name, value in found.items() for word in ("--set", f"{name}={value}")]

    def audit(self, first: int, last: int, *more: str) -> int:
        """Of the events with these numbers, both included."""
        return self.run("audit", *span(first, last), *more)

    def told(self, out: Callable[[], str], first: int, last: int, *more: str) -> dict[str, Any]:
        """As JSON. `out` gives what was printed."""
        self.audit(first, last, *more, "--json")
        found: dict[str, Any] = json.loads(out())
        return found

    def run(self, command: str, *more: str) -> int:
        return main([command, *self.options, *more])


def span(first: int, last: int) -> Sequence[str]:
    """Options for the time of these events, both included."""
    return "--from", moment(first), "--to", moment(last + 1)


def moment(number: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(T0 / 1000 + number, UTC).isoformat()
