"""A metrics port as a node with so many partitions and sink processes has it, and a quarter of an hour behind it."""

import math
import time

from ingest.metrics import catalogue as m
from ingest.metrics.bottleneck import PARTS
from ingest.metrics.http import Exposition
from ingest.metrics.meter import zeros
from ingest.metrics.registry import Registry
from ingest.metrics.status.document import About
from ingest.recent_warnings import RECENT

NODE = "edge1"
_HUB = "iothub-ns-plant-east-12345678-0a1b2c3d4e.servicebus.windows.net"


class LoadedNode:
    def __init__(self, partitions: int = 0, workers: int = 0, port: int = 0) -> None:
        self.unready: list[str] = []
        self.about = About(
            node=NODE,
            version="1.0",
            started=time.time() - 7200,
            source={
                "hub": _HUB,
                "event_hub": "plant-east",
                "consumer_group": "ingest",
                "topic": "iotin",
                "dead_letter_topic": "iotin.dead",
                "kafka": "kafka1.example:9092,kafka2.example:9092",
            }
            if partitions
            else None,
            sink={
                "hub": "plant-east.azure-devices.net",
                "topics": ["iotout"],
                "group_id": "ingest-sink",
                "dead_letter_topic": "iotout.dead",
                "feedback_topic": "iotfeedback",
            }
            if workers
            else None,
        )
        self.registry = Registry()
        for number in range(partitions):
            self.partition(str(number))
        for number in range(workers):
            self.worker(str(number))
        self.exposition = Exposition(
            self.registry,
            healthy=lambda: True,
            unready=lambda: self.unready,
            about=lambda: self.about,
            host="127.0.0.1",
            port=port,
        )
        if partitions:
            self.past()
        self.exposition.start()
        self.port = self.exposition.port
        self.url = f"http://127.0.0.1:{self.port}/"

    def partition(self, name: str) -> None:
        registry, number = self.registry, int(name)
        registry.apply(zeros("source", name))
        registry.set(m.PROCESS_UP, float(number != 3), "source", name)
        registry.set(m.SOURCE_LAG_EVENTS, number * 37 % 101, name)
        registry.set(m.SOURCE_LAG_SECONDS, number % 7, name)
        registry.set(m.SOURCE_LAST_EVENT, time.time() - number, name)
        registry.set(m.SOURCE_CHECKPOINT, time.time() - 3, name)
        registry.set(m.SOURCE_REPLAY, 12, name)
        registry.set(m.SOURCE_DATA_LOSS, math.inf, name)
        registry.add(m.SOURCE_DEAD_LETTERS, 2, name, "too_large")
        for part in PARTS:
            registry.set(m.BOTTLENECK, 0.8 if part == "kafka_queue" else 0.04, "source", name, part)

    def worker(self, name: str) -> None:
        self.registry.apply(zeros("sink", name))
        self.registry.set(m.PROCESS_UP, 1, "sink", name)
        self.registry.set(m.SINK_RATE_LIMIT, 1.6583, name)
        self.registry.set(m.SINK_LAG, 1234, name)
        self.registry.set(m.SINK_IN_FLIGHT, 3, name)

    def past(self) -> None:
        """A quarter of an hour, with a gap in it."""
        for sample in range(180):
            if not 60 < sample < 75:
                wave = 1 + math.sin(sample / 12)
                self.exposition._recorder._history.add(
                    time.time() - 900 + 5 * sample,
                    {
                        "source_events_per_second": 1500 * wave,
                        "source_records_acked_per_second": 1490 * wave,
                        "source_lag_events": 800 * (2 - wave),
                        "source_lag_seconds": 3 * (2 - wave),
                        "sink_commands_per_second": 0.8 * wave,
                        "sink_rate_limit_per_second": 1.6583,
                        "sink_lag_records": 1200 + sample,
                    },
                )

    def close(self) -> None:
        self.exposition.close()
        RECENT.take()
