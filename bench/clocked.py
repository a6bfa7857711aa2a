"""Times how long a process takes to move the hub's whole backlog into a Kafka topic, and its CPU time for that."""

import time
import uuid
from types import TracebackType
from typing import Self

import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # missing from __all__

from bench.feed import Feed
from bench.results import Run
from tests.faults.waiting import wait_until

TOPIC_PARTITIONS = 4
MOVED_SECONDS = 300.0
ASK_SECONDS = 20.0


class Topic:
    """A new topic of its own, whose records are counted by their offsets: no record is read."""

    def __init__(self, bootstrap: str) -> None:
        self.name = f"bench-{uuid.uuid4().hex}"
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 4})
        for topic in admin.create_topics([NewTopic(self.name, TOPIC_PARTITIONS, 1)]).values():
            topic.result(ASK_SECONDS)
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": self.name})

    def records(self) -> int:
        ends = (
            self._consumer.get_watermark_offsets(TopicPartition(self.name, partition), timeout=ASK_SECONDS)[1]
            for partition in range(TOPIC_PARTITIONS)
        )
        return sum(ends)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()


def clock(feed: Feed, topic: Topic, process: psutil.Process, events: int) -> Run:
    """`process` is attached to the hub, which hides its backlog until the clock starts."""
    cpu_before = _cpu_seconds(process)
    started = time.perf_counter()
    feed.show()
    wait_until(lambda: topic.records() >= events, lambda: f"{topic.records()} of {events} records", MOVED_SECONDS)
    run = Run(events, time.perf_counter() - started, _cpu_seconds(process) - cpu_before)
    assert topic.records() == events
    return run


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
