"""Times how long processes take to move the hub's whole backlog into a Kafka topic, and their CPU time for that."""

import statistics
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # missing from __all__

from bench.console import Stage
from bench.feed import Feed
from bench.results import Run
from tests.faults.waiting import wait_until

TOPIC_PARTITIONS = 4
MOVED_SECONDS = 300.0
ASK_SECONDS = 20.0
MIB = 1 << 20


class Topic:
    """A new topic of its own, whose records are counted by their offsets: no record is read."""

    def __init__(
        self, bootstrap: str, config: Mapping[str, str] | None = None, partitions: int = TOPIC_PARTITIONS
    ) -> None:
        self._partitions = partitions
        self.name = f"bench-{uuid.uuid4().hex}"
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 4})
        new = NewTopic(self.name, partitions, 1, config=dict(config or {}))
        for topic in self._admin.create_topics([new]).values():
            topic.result(ASK_SECONDS)
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": self.name})
        # A broker that is busy says for a while that it does not lead what was just created.
        wait_until(self._is_led, f"a partition of {self.name} has no leader")

    def _is_led(self) -> bool:
        try:
            return self.records() == 0
        except KafkaException:
            return False

    def records(self) -> int:
        return sum(self.ends())

    def ends(self) -> list[int]:
        """Of each partition: the offset of the record that comes next."""
        return [
            self._consumer.get_watermark_offsets(TopicPartition(self.name, partition), timeout=ASK_SECONDS)[1]
            for partition in range(self._partitions)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
        for topic in self._admin.delete_topics([self.name]).values():
            topic.result(ASK_SECONDS)


class Movers:
    """The processes that move the events."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]

    def __len__(self) -> int:
        return len(self._processes)

    def cpu_seconds(self) -> float:
        """User and system, all threads of all of them."""
        return cpu_seconds(self._processes)

    def unique_mib(self) -> list[float]:
        """USS of each: memory that would be free without it, MiB."""
        return [process.memory_full_info().uss / MIB for process in self._processes]


class MemoryWatch:
    """Looks at the movers' memory once in a while, as looking takes CPU time of this process and of the kernel."""

    EVERY_SECONDS = 0.2
    EACH_SECONDS = 0.03
    """At least so long for each of the movers."""

    def __init__(self, movers: Movers) -> None:
        self._movers = movers
        self._looked_at = 0.0
        self._seen: list[list[float]] = []

    def look(self) -> None:
        if time.monotonic() - self._looked_at > max(self.EVERY_SECONDS, self.EACH_SECONDS * len(self._movers)):
            self._seen.append(self._movers.unique_mib())
            self._looked_at = time.monotonic()

    def figures(self) -> dict[str, float]:
        """Of each process its largest; of these the median and the largest, MiB."""
        largest = [max(one) for one in zip(*self._seen, strict=True)]
        return {"uss_mib_median": round(statistics.median(largest), 1), "uss_mib_max": round(max(largest), 1)}


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))


def clock(
    feed: Feed,
    topic: Topic,
    movers: Movers,
    stage: Stage,
    memory: MemoryWatch | None = None,
    backlog: int | None = None,
) -> Run:
    """`movers` are attached to the hub, which hides its backlog, or what `warm_up` left of it, until the clock starts.
    `backlog`: events that the hub has for them, if that is not all."""
    last = feed.events if backlog is None else backlog
    events = last - topic.records()
    cpu_before, hub_before = movers.cpu_seconds(), feed.cpu_seconds()
    started = time.perf_counter()
    feed.show()

    def moved() -> bool:
        records = topic.records()
        stage.at(records, last)
        if memory is not None:
            memory.look()
        return records >= last

    wait_until(moved, lambda: f"{topic.records()} of {last} records", MOVED_SECONDS)
    run = Run(
        events,
        time.perf_counter() - started,
        movers.cpu_seconds() - cpu_before,
        feed.cpu_seconds() - hub_before,
    )
    assert topic.records() == last
    return run


def warm_up(feed: Feed, topic: Topic, events: int, stage: Stage) -> None:
    """At least so many events of the backlog go to Kafka; the rest is hidden, and nothing is on its way any more."""
    feed.show()

    def moved() -> bool:
        records = topic.records()
        stage.at(records, events)
        return records >= events

    wait_until(moved, lambda: f"{topic.records()} of {events} records for warming up", MOVED_SECONDS)
    feed.starve()
    wait_until(lambda: topic.records() == feed.sent(), lambda: f"{topic.records()} of {feed.sent()} records")
