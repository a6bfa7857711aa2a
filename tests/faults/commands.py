"""Counted commands for tests: what is written into a command topic, what devices got of it, and what is in its topics."""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import ConsumerGroupTopicPartitions, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # missing from __all__

from ingest.emulator.c2d.message import Delivery
from tests.faults.telemetry import Topic
from tests.faults.waiting import PATIENCE_SECONDS, wait_until
from tests.services.kafka import IN_ORDER

Headers = Sequence[tuple[str, str | bytes | None]]
PARTITIONS = 4


class CommandTopics:
    """A command topic of its own name, its dead-letter and feedback topics, and an operator that counts per device.

    Use as a `with` block.
    """

    def __init__(self, bootstrap: str) -> None:
        self.name = f"commands-{uuid.uuid4().hex}"
        """Of the command topic and of the consumer group."""
        self.sent: dict[str, int] = {}
        """Device id → its last counter."""
        self._commands = Topic(bootstrap, partitions=PARTITIONS, name=self.name)
        self.dead = Topic(bootstrap, partitions=PARTITIONS, name=f"{self.name}.dead")
        self.feedback = Topic(bootstrap, partitions=PARTITIONS, name=f"{self.name}.feedback")
        settings: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._producer = Producer({**settings, **IN_ORDER})
        self._admin = AdminClient(settings)

    def send(self, devices: Iterable[str], each: int, **fields: object) -> None:
        """`each` commands to every device, in turns, keyed by device. Body: the device's counter, from 1."""
        names = list(devices)
        for _ in range(each):
            for name in names:
                self.sent[name] = counter = self.sent.get(name, 0) + 1
                command = {"deviceId": name, "message": str(counter), "messageId": message_id(name, counter), **fields}
                self._write(json.dumps(command).encode(), name.encode())
        self.flush()

    def send_raw(self, value: bytes | None, key: bytes | None = None, headers: Headers = ()) -> None:
        """Any record."""
        self._write(value, key, headers)

    def _write(self, value: bytes | None, key: bytes | None, headers: Headers = ()) -> None:
        self._producer.produce(self.name, value, key, headers=list(headers))
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(PATIENCE_SECONDS) == 0, "Kafka has not taken all commands"

    def lag(self) -> int:
        """Records of the command topic that the sink's group has not committed."""
        places = [TopicPartition(self.name, partition) for partition in range(PARTITIONS)]
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.name, places)])
        committed = asked[self.name].result(30).topic_partitions or []
        assert len(committed) == PARTITIONS
        return self._end(self.name) - sum(max(0, int(each.offset)) for each in committed)

    def wait_no_lag(self) -> None:
        wait_until(lambda: self.lag() == 0, lambda: f"{self.lag()} records are not committed")

    def dead_letters(self) -> int:
        """Records in the dead-letter topic."""
        return self._end(self.dead.name)

    def _end(self, topic: str) -> int:
        """Records that were ever written to the topic."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's
        places = {TopicPartition(topic, partition): latest for partition in range(PARTITIONS)}
        return sum(int(asked.result(30).offset) for asked in self._admin.list_offsets(places).values())

    def close(self) -> None:
        self._commands.close()
        self.dead.close()
        self.feedback.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Received:
    """What devices completed of counted commands."""

    def __init__(self, deliveries: Iterable[Delivery]) -> None:
        self.counters: dict[str, list[int]] = defaultdict(list)
        """Device id → its counters in the order of delivery, repeats included."""
        self.strange: list[Delivery] = []
        """Deliveries whose message id is not that of their counter."""
        for delivery in deliveries:
            counter = int(delivery.body)
            self.counters[delivery.device_id].append(counter)
            if delivery.message_id != message_id(delivery.device_id, counter):
                self.strange.append(delivery)

    @property
    def repeats(self) -> int:
        return sum(len(counters) - len(set(counters)) for counters in self.counters.values())

    def only(self, devices: Collection[str]) -> "Received":
        """What these devices got."""
        mine = Received(())
        mine.counters.update({name: counters for name, counters in self.counters.items() if name in devices})
        return mine

    def missing(self, sent: Mapping[str, int]) -> int:
        """Commands of `sent` that no device has got (yet)."""
        return sum(last - len(set(self.counters[device])) for device, last in sent.items())

    def check(self, sent: Mapping[str, int]) -> None:
        """Every command is there, per device in order apart from repeats, which have the first one's message id."""
        for device, last in sent.items():
            first_times = list(dict.fromkeys(self.counters[device]))
            assert first_times == list(range(1, last + 1)), f"{device}: lost, strange or out of order: {first_times}"
        assert not self.strange


def message_id(device: str, counter: int) -> str:
    return f"{device}:{counter}"


def header(letter: Message, name: str) -> str | None:
    """The last header of this name, as text."""
    found = dict(letter.headers() or []).get(name)
    return found.decode() if isinstance(found, bytes) else found
