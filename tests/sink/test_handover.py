"""Sink processes come and go in the middle of a stream: each command reaches its device once, by Apache Kafka's own account."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from multiprocessing import Pipe
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer

from ingest.config import Config, Kafka
from ingest.emulator import Emulator
from ingest.kafka.admin import TopicSpec, create_topics
from ingest.process.child import Child, ProcessSpec
from ingest.sink.pacing import shared_rate
from ingest.sink.worker import Worker
from ingest.timing import Deadline
from tests.faults.waiting import PATIENCE_SECONDS, wait_until
from tests.services.kafka import IN_ORDER, KafkaCluster
from tests.sink.hub import hub_of

PARTITIONS = 6
DEVICES = 60
PAUSE_SECONDS = 0.05
"""From one command to the next: often nothing is finished between a commit and the last one, as with people who send."""


class Process(threading.Thread):
    """A sink process's loop, on a thread of the test."""

    def __init__(self, config: Config, number: int, budget: Path) -> None:
        super().__init__(name=f"sink-{number}", daemon=True)
        self.join_state = ""
        """librdkafka's own word for where this member is in the group's life."""
        self._here, there = Pipe()
        shared = {"budget": str(budget)}
        self.worker = Worker(Child(ProcessSpec("sink", str(number), "", config, shared=shared), there))
        self._listen = self.worker.commands._on_statistics
        self.worker.commands._on_statistics = self._hear  # type: ignore[method-assign]
        self._ending = threading.Event()

    def run(self) -> None:
        self.worker.start()
        while not self._ending.is_set():
            self.worker.poll()
            while self._here.poll():
                self._here.recv()
        self.worker.close(Deadline(PATIENCE_SECONDS))

    def leave(self) -> None:
        self._ending.set()

    @property
    def partitions(self) -> int:
        return len(self.worker.commands.assigned)

    def _hear(self, text: str) -> None:
        self._listen(text)
        self.join_state = orjson.loads(text).get("cgrp", {}).get("join_state", "")


class Sink:
    """Processes of one group, and a stream of numbered commands for them."""

    def __init__(self, bootstrap: str, hub: Emulator) -> None:
        self.topic = f"iotout-{uuid.uuid4().hex[:8]}"
        create_topics(bootstrap, {}, [TopicSpec(self.topic, PARTITIONS, 1), TopicSpec(f"{self.topic}.dead", 1, 1)], 60)
        self.sent = 0
        self._hub = hub
        self._config = Config(hub=hub_of(hub), kafka=Kafka(bootstrap_servers=bootstrap))
        self._budget = shared_rate.create(10_000, time.monotonic())
        self._made: list[Process] = []
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, **IN_ORDER})
        self._ends = threading.Event()
        self._stream = threading.Thread(target=self._send, daemon=True)

    def join(self, heartbeat_ms: int = 200) -> Process:
        sink = replace(self._config.sink, topics=(self.topic,), group_id=self.topic)
        librdkafka = {"heartbeat.interval.ms": str(heartbeat_ms), "statistics.interval.ms": "50"}
        config = replace(self._config, sink=sink, kafka=replace(self._config.kafka, librdkafka=librdkafka))
        self._made.append(Process(config, len(self._made), self._budget.path))
        self._made[-1].start()
        return self._made[-1]

    def until_shared(self, *processes: Process) -> None:
        wait_until(
            lambda: all(each.partitions == PARTITIONS // len(processes) for each in processes),
            lambda: str([each.partitions for each in processes]),
        )

    def start_stream(self) -> None:
        self._stream.start()

    def end_stream(self) -> None:
        self._ends.set()
        self._stream.join(PATIENCE_SECONDS)

    def _send(self) -> None:
        for number in count():
            if self._ends.wait(PAUSE_SECONDS):
                break
            device = f"d{number % DEVICES}"
            value = json.dumps({"deviceId": device, "message": str(number)})
            self._producer.produce(self.topic, value, device.encode(), number % DEVICES % PARTITIONS)
            self._producer.poll(0)
            self.sent = number + 1
        self._producer.flush(PATIENCE_SECONDS)

    def moves_on(self) -> None:
        """Waits until the hub has got another second's commands."""
        enough = sum(self.delivered().values()) + int(1 / PAUSE_SECONDS)
        wait_until(lambda: sum(self.delivered().values()) >= enough, "commands stand still")

    def delivered(self) -> Counter[str]:
        return Counter(delivery.body.decode() for delivery in self._hub.c2d.consumed())

    def close(self) -> None:
        self._ends.set()
        for each in self._made:
            each.leave()
        for each in self._made:
            each.join(PATIENCE_SECONDS)


@pytest.fixture
def sink(kafka: KafkaCluster) -> Iterator[Sink]:
    with Emulator(partitions=1, c2d=True, known_devices=[f"d{number}" for number in range(DEVICES)]) as hub:
        hub.c2d.auto_complete()
        made = Sink(kafka.bootstrap, hub)
        yield made
        made.close()


def test_processes_that_join_and_leave_repeat_no_command_and_lose_none(sink: Sink) -> None:
    slow, first, second = sink.join(heartbeat_ms=1_500), sink.join(), sink.join()
    sink.until_shared(slow, first, second)
    sink.start_stream()
    sink.moves_on()
    second.leave()
    sink.until_shared(slow, first)
    sink.moves_on()
    third = sink.join()
    sink.until_shared(slow, first, third)
    # Two leave, the second one while the group waits for the slow one to hear of the first. It has just heard of the third.
    third.leave()
    wait_until(lambda: first.join_state == "wait-join", lambda: first.join_state)
    first.leave()
    sink.until_shared(slow)
    sink.moves_on()
    sink.end_stream()
    wait_until(lambda: len(sink.delivered()) >= sink.sent, lambda: f"{len(sink.delivered())} of {sink.sent}")
    slow.leave()
    slow.join(PATIENCE_SECONDS)
    assert sink.delivered() == Counter(map(str, range(sink.sent)))
