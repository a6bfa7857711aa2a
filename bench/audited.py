"""A topic with the records of a hub's log, made without a hub, and the audit of it as a process of its own."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

from ingest.kafka.admin import TopicSpec, create_topics
from ingest.source.events.event import Event, Labels, Origin
from ingest.source.formats import make
from tests.services.kafka import IN_ORDER

START_MS: Final = 1_700_000_000_000
PER_SECOND: Final = 1_000
"""Events of each partition of the hub."""
HUB_PARTITIONS: Final = 4
PLACES: Final = 8
"""Partitions of the topic."""
_SECONDS: Final = 120.0


class Audited(NamedTuple):
    told: dict[str, Any]
    cpu_seconds: float
    """User and system, of all threads."""
    wall_seconds: float
    """Of the reading and counting, as the audit says itself."""
    resident_mib: float
    """The most that it had."""


def fill(bootstrap: str, topic: str, events: int, devices: int, record_format: str = "json") -> None:
    """Writes `events` records of 600 bytes and more, from `devices` devices in turn."""
    create_topics(
        bootstrap,
        {},
        [TopicSpec(topic, PLACES, config={"retention.ms": "-1"}), TopicSpec(f"{topic}.dead", 1)],
        _SECONDS,
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "compression.type": "lz4",
            "batch.size": 1_000_000,
            **IN_ORDER,
        }
    )
    for place, (key, value, headers, time_ms) in enumerate(_records(events, devices, record_format)):
        where = (place // HUB_PARTITIONS) % devices % PLACES
        while True:
            try:
                more = {} if headers is None else {"headers": headers}
                producer.produce(topic, value, key, partition=where, timestamp=time_ms, **more)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(_SECONDS) == 0


def _records(events: int, devices: int, record_format: str) -> Iterator[Any]:
    formats = [make(record_format, str(partition)) for partition in range(HUB_PARTITIONS)]
    labels = Labels(None, "application/json", "utf-8", {}, {"level": "normal"})
    auth = '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}'
    before = {"iothub-connection-auth-method": auth, "iothub-connection-auth-generation-id": "637388855582764406"}
    body = b'{"temperature":21.5,"humidity":44.1,"pressure":1013.2,"battery":87,"status":"ok","firmware":"1.4.2","uptime":81244}'
    for place in range(events):
        number, partition = divmod(place, HUB_PARTITIONS)
        time_ms = START_MS + number * 1000 // PER_SECOND
        # A device belongs to one partition of the hub.
        origin = Origin(
            f"device-{number % devices:06d}-{partition}", None, before, {"iothub-message-source": "Telemetry"}
        )
        yield formats[partition].encode(Event(number, str(number * 640), time_ms, body, time_ms, None, origin, labels))


def audit(bootstrap: str, topic: str, events: int, record_format: str = "json", **environ: str) -> Audited:
    """Runs `ingest audit` over all of it."""
    end = START_MS + events // HUB_PARTITIONS * 1000 // PER_SECOND + 1
    command = [sys.executable, "-m", "ingest", "audit", "--json", "--from", _time(START_MS), "--to", _time(end)]
    settings = {
        "kafka.bootstrap_servers": bootstrap,
        "source.topic": topic,
        "source.dead_letter_topic": f"{topic}.dead",
        "source.format": record_format,
    }
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **environ})
    assert process.stdout is not None
    resident = 0.0
    ended: tuple[int, int, Any] = 0, 0, None
    while ended[0] == 0:
        # Not `ru_maxrss`, which has the size of the process that started it.
        resident = max(resident, _resident_mib(process.pid))
        time.sleep(0.05)
        ended = os.wait4(process.pid, os.WNOHANG)
    process.returncode, usage = os.waitstatus_to_exitcode(ended[1]), ended[2]
    with process.stdout as output:
        told = json.loads(output.read())
    return Audited(told, usage.ru_utime + usage.ru_stime, told["seconds"], resident)


def _resident_mib(pid: int) -> float:
    """The most memory that the process has had; 0 when it has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _time(milliseconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
