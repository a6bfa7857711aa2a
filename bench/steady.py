"""The source at a steady rate: what it costs, and how long an event is on its way from the hub to Kafka."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

import orjson
from confluent_kafka import Consumer, TopicPartition

from bench.clocked import ASK_SECONDS, TOPIC_PARTITIONS, Movers, Topic
from bench.console import Stage
from bench.events import body_bytes
from bench.hub import HubProcess
from bench.source_process import Way, mover_pids, source, transport_of
from tests.faults.source_process import SourceProcess
from tests.faults.waiting import wait_until
from tests.services.kafka import KafkaCluster

FRAME_BYTES = 600
TIMED_BY_BROKER = {"message.timestamp.type": "LogAppendTime"}


class Load(NamedTuple):
    """How many events a second come to all partitions together, and how long that is measured."""

    rate: int
    partitions: int
    warm_up_seconds: float
    measured_seconds: float


def steady(benchmark: Any, kafka: KafkaCluster, folder: Path, load: Load) -> dict[str, Any]:
    """Default settings, TLS. The hub's devices do not wait for anybody."""
    options = (
        "--partitions",
        str(load.partitions),
        "--devices",
        str(100 * load.partitions),
        "--rate",
        str(load.rate),
        "--body-bytes",
        str(body_bytes(FRAME_BYTES)),
    )
    with (
        HubProcess(*options) as hub,
        Topic(kafka.bootstrap, TIMED_BY_BROKER) as topic,
        source(folder, hub, kafka.bootstrap, topic.name, Way(transport=None)) as process,
    ):
        process.wait_ready()
        transport = transport_of(process)
        movers = Movers(mover_pids(process, load.partitions))

        def measure() -> tuple[float, float, float, float, list[float]]:
            wait(load.warm_up_seconds, "warms up")
            begin, within_before = time.time(), acknowledged(process)
            cpu_before, hub_before = movers.cpu_seconds(), hub.cpu_seconds()
            wait(load.measured_seconds, f"{load.rate:,} events/s")
            cpu, hub_cpu = movers.cpu_seconds() - cpu_before, hub.cpu_seconds() - hub_before
            end, within = time.time(), acknowledged(process)
            acked = [after - before for before, after in zip(within_before, within, strict=True)]
            return begin, end, cpu, hub_cpu, acked

        begin, end, cpu_seconds, hub_cpu_seconds, (quick, soon, acked) = benchmark.pedantic(measure, rounds=1)
        partitions = [str(number) for number in range(load.partitions)]
        newest = "source_last_event_timestamp_seconds"
        wait_until(lambda: all(process.metric(newest, partition=each) > end for each in partitions), "it lags")
        delays = sorted(
            appended_ms - enqueued_ms
            for enqueued_ms, appended_ms in times(kafka.bootstrap, topic)
            if begin * 1000 <= enqueued_ms < end * 1000
        )
    percentiles = quantiles(delays, n=1000, method="inclusive")
    return {
        "events": len(delays),
        "cpu_us_per_event": round(cpu_seconds / len(delays) * 1e6, 1),
        "events_per_second": round(len(delays) / (end - begin)),
        "frame_bytes": FRAME_BYTES,
        "partitions": load.partitions,
        "transport": transport,
        "format": "json",
        "tls": True,
        "hub_cpu_us_per_event": round(hub_cpu_seconds / len(delays) * 1e6, 1),
        "p50_ms": percentiles[499],
        "p99_ms": percentiles[989],
        "p99_9_ms": percentiles[998],
        "max_ms": delays[-1],
        "acked_within_10_ms": round(quick / acked, 4),
        "acked_within_50_ms": round(soon / acked, 4),
    }


def wait(seconds: float, doing: str) -> None:
    until = time.monotonic() + seconds
    with Stage(f"steady rate: {doing}") as stage:

        def over() -> bool:
            left = until - time.monotonic()
            stage.at(seconds - left, seconds)
            return left <= 0

        wait_until(over, "the clock stands still", 2 * seconds)


def acknowledged(process: SourceProcess) -> tuple[float, float, float]:
    """Events that the process saw acknowledged within 10 ms, within 50 ms, and in all: its own histogram."""
    quick, soon = (process.metric("source_delivery_seconds_bucket", le=le) for le in ("0.01", "0.05"))
    return quick, soon, process.metric("source_delivery_seconds_count")


def times(bootstrap: str, topic: Topic) -> Iterator[tuple[float, int]]:
    """Of every record that is there by now: when the hub took the event, as the record says, and when the broker took the
    record; ms."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic.name, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic.name, partition, 0) for partition in range(TOPIC_PARTITIONS)])
    ends = topic.ends()
    left = sum(ends)
    while left > 0:
        messages = consumer.consume(min(left, 10_000), ASK_SECONDS)
        assert messages, f"{left} records cannot be read"
        for message in messages:
            partition, offset, value = message.partition(), message.offset(), message.value()
            assert partition is not None
            assert offset is not None
            assert value is not None
            if offset >= ends[partition]:
                continue  # it has come since, and another partition's are still to be read
            left -= 1
            enqueued = datetime.fromisoformat(orjson.loads(value)["enqueuedTime"])
            yield enqueued.timestamp() * 1000, message.timestamp()[1]
    consumer.close()
