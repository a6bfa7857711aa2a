"""Counted telemetry for tests: who sent how many, and what of it an independent consumer finds in Kafka."""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # missing from __all__

from ingest.emulator import Emulator
from tests.faults.waiting import PATIENCE_SECONDS


class Feeder:
    """Devices of an emulated hub, each counting its events from 1."""

    def __init__(self, hub: Emulator) -> None:
        self.sent: dict[str, int] = {}
        """Device id → its last counter."""
        self._hub = hub
        self._devices: dict[tuple[str, int], str] = {}

    def device(self, partition: str, number: int = 0) -> str:
        """The id of a device whose events go to this partition."""
        known = self._devices.get((partition, number))
        if known is None:
            known = self._devices[partition, number] = self._found(partition, number)
        return known

    def _found(self, partition: str, number: int) -> str:
        tries = (f"device-{partition}-{number}-{salt}" for salt in range(10_000))
        return next(device for device in tries if self._hub.partition_of(device) == partition)

    def send(self, partition: str, events: int, *, devices: int = 4, body_bytes: int = 0) -> None:
        """`events` in all from `devices` devices of one partition, in turns; bodies padded to about `body_bytes`."""
        names = [self.device(partition, number) for number in range(devices)]
        self._hub.send_many(self._events(names, events, "x" * body_bytes))

    def _events(self, names: list[str], events: int, padding: str) -> Iterator[tuple[str, bytes, Mapping[str, object]]]:
        for index in range(events):
            name = names[index % len(names)]
            self.sent[name] = self.sent.get(name, 0) + 1
            yield name, json.dumps({"counter": self.sent[name], "padding": padding}).encode(), {}


class Topic:
    """A topic of its own name, and a consumer that reads all of it. Use as a `with` block."""

    def __init__(
        self,
        bootstrap: str,
        *,
        partitions: int = 2,
        settings: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        """`settings` are topic settings under Kafka's own names."""
        self.name = name or f"faults-{uuid.uuid4().hex}"
        self.counters: dict[str, list[int]] = defaultdict(list)
        """Device id → its counters in the order of the topic, repeats included."""
        self.letters: list[Message] = []
        """Records that are no counted telemetry: see `read_raw`."""
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        new = NewTopic(self.name, partitions, -1, config=dict(settings or {}))
        admin.create_topics([new], operation_timeout=30)[self.name].result(30)
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": self.name,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 1000,
                # Outages are these tests' business, not news.
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(self.name, partition, 0) for partition in range(partitions)])

    def read(self, sent: Mapping[str, int], seconds: float = PATIENCE_SECONDS) -> None:
        """Read until every counter from 1 to each device's last is there. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        while self.missing(sent):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"after {seconds:g} s {self.missing(sent)} of {sum(sent.values())} events are missing"
                )
            self._count(self._next(0.5))

    def read_some(self, events: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Read until so many different events are there. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        while self.distinct < events:
            assert time.monotonic() < deadline, f"after {seconds:g} s {self.distinct} of {events} events are there"
            self._count(self._next(0.1))

    def poll(self, seconds: float) -> None:
        """Read what comes within `seconds`; returns early when 500 records came."""
        self._count(self._consumer.consume(500, seconds))

    def _count(self, messages: Iterable[Message]) -> None:
        for message in messages:
            value = message.value()
            if message.error() is None and value is not None:
                record = json.loads(value)
                self.counters[record["deviceId"]].append(json.loads(record["content"])["counter"])

    def read_raw(self, count: int, seconds: float = PATIENCE_SECONDS) -> list[Message]:
        """The first `count` records, whatever they are."""
        deadline = time.monotonic() + seconds
        while len(self.letters) < count:
            assert time.monotonic() < deadline, f"after {seconds:g} s {len(self.letters)} of {count} records are there"
            self._keep(self._next(0.5))
        return self.letters

    def read_more(self, seconds: float) -> None:
        """Add to `letters` what comes within `seconds`; returns early when 500 records came."""
        self._keep(self._consumer.consume(500, seconds))

    def _keep(self, messages: Iterable[Message]) -> None:
        self.letters += [message for message in messages if message.error() is None]

    def _next(self, seconds: float) -> list[Message]:
        """What is there as soon as something is; nothing after `seconds`. `consume` alone would wait for 500."""
        first = self._consumer.poll(seconds)
        return [] if first is None else [first, *self._consumer.consume(499, 0)]

    def read_to_end(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Add to `letters` all that is in the topic now."""
        deadline = time.monotonic() + seconds
        ends = {
            each.partition: self._consumer.get_watermark_offsets(each, timeout=seconds)[1]
            for each in self._consumer.assignment()
        }
        while any(
            max(each.offset, 0) < ends[each.partition] for each in self._consumer.position(self._consumer.assignment())
        ):
            assert time.monotonic() < deadline, f"after {seconds:g} s the topic is not read to its end, {ends}"
            self._keep(self._next(0.1))

    def missing(self, sent: Mapping[str, int]) -> int:
        """Events of `sent` that are not there (yet)."""
        if sum(len(counters) for counters in self.counters.values()) < sum(sent.values()):
            return sum(sent.values()) - self.distinct
        return sum(last - len(set(self.counters[device])) for device, last in sent.items())

    @property
    def distinct(self) -> int:
        return sum(len(set(counters)) for counters in self.counters.values())

    @property
    def repeats(self) -> int:
        return sum(len(counters) for counters in self.counters.values()) - self.distinct

    def check(self, sent: Mapping[str, int]) -> None:
        """Every event is there, and per device in order apart from repeats. Raises AssertionError."""
        for device, last in sent.items():
            first_times = list(dict.fromkeys(self.counters[device]))
            assert first_times == list(range(1, last + 1)), f"{device}: lost, strange or out of order"

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
