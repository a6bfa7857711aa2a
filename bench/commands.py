"""Commands of a benchmark: into Kafka before or while the sink runs, and out of the hub's own book afterwards."""

import json
import uuid
from bisect import bisect_left
from collections import defaultdict

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # missing from __all__

from bench.hub import HubProcess
from tests.services.kafka import IN_ORDER

DEVICES = 1_000
TOPIC_PARTITIONS = 4
ASK_SECONDS = 30.0


def create_topic(bootstrap: str) -> str:
    """A new topic for commands; gives its name."""
    name = f"bench-commands-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 4})
    for topic in admin.create_topics([NewTopic(name, TOPIC_PARTITIONS, 1), NewTopic(f"{name}.dead", 1, 1)]).values():
        topic.result(ASK_SECONDS)
    return name


def produce(bootstrap: str, topic: str, commands: int) -> None:
    """`commands` commands for `DEVICES` devices in turn; each tells its number among those of its device."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4", **IN_ORDER})
    for number in range(commands):
        device_id = f"device-{number % DEVICES}"
        command = {"deviceId": device_id, "messageId": f"m{number}", "message": str(number // DEVICES)}
        producer.produce(topic, json.dumps(command), device_id)
        producer.poll(0)
    assert producer.flush(ASK_SECONDS) == 0


class Book:
    """What the hub took for the benchmark's devices, in its order, with its own times (milliseconds since 1970)."""

    def __init__(self, hub: HubProcess) -> None:
        taken = hub.order("c2d/consumed")["answer"]
        self.times = sorted(message["enqueued_ms"] for message in taken)
        self._bodies = defaultdict(list)
        for message in taken:
            self._bodies[message["device_id"]].append(int(message["body"]))

    @property
    def seconds(self) -> float:
        """From the first to the last."""
        return float(self.times[-1] - self.times[0]) / 1000

    def in_order(self) -> bool:
        """Every device got every one of its commands up to some number, once and in order."""
        return all(bodies == list(range(len(bodies))) for bodies in self._bodies.values())

    def per_second(self, begin: float, end: float) -> float:
        """Mean rate between two times, in milliseconds."""
        return (bisect_left(self.times, end) - bisect_left(self.times, begin)) / (end - begin) * 1000

    def reached_after(self, begin: float, rate: float, window_ms: float) -> float:
        """Seconds from `begin` until the rate of a whole window is at least `rate`; infinity when none is."""
        moments = range(round(begin), round(self.times[-1] - window_ms), 100)
        found = (at for at in moments if self.per_second(at, at + window_ms) >= rate)
        return (next(found, float("inf")) - begin) / 1000
