"""A hub, a topic and a source process for every test, on the shared Apache Kafka."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ingest.emulator import Emulator
from tests.faults.source_process import Sections, SourceProcess, write_config
from tests.faults.telemetry import Feeder, Topic
from tests.services.kafka import KafkaCluster

Configure = Callable[..., SourceProcess]
TRANSPORT = os.environ.get("TRANSPORT", "fast")
"""`source.transport` wherever a test names none: the whole fault table holds for either."""
both_transports = pytest.mark.parametrize("transport", ["fast", "sdk"])
"""For the tests in which a transport has the largest part."""


def basic_config(folder: Path, event_hub: str, bootstrap: str, topic: str) -> Sections:
    """Plain connection, file checkpoints every half second, stalls found after 5 s instead of 20, metrics anywhere."""
    return {
        "hub": {"event_hub_connection_string": event_hub},
        "source": {
            "topic": topic,
            "dead_letter_topic": f"{topic}.dead",
            "stall_seconds": 5,
            "transport": TRANSPORT,
        },
        "checkpoints": {"store": "file", "path": str(folder / "checkpoints"), "interval_seconds": 0.5},
        "kafka": {"bootstrap_servers": bootstrap},
        "metrics": {"port": 0},
        "service": {"log_format": "json", "shutdown_seconds": 20},
    }


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=2) as emulator:
        yield emulator


@pytest.fixture
def feeder(hub: Emulator) -> Feeder:
    return Feeder(hub)


@pytest.fixture
def topic(kafka: KafkaCluster) -> Iterator[Topic]:
    with Topic(kafka.bootstrap) as topic:
        yield topic


@pytest.fixture
def transport() -> str:
    return TRANSPORT


@pytest.fixture
def configure(tmp_path: Path, hub: Emulator, kafka: KafkaCluster, topic: Topic, transport: str) -> Iterator[Configure]:
    """`configure({section: {key: value}})` is a source process, not started, from `hub` to `topic`."""
    with ExitStack() as processes:

        def configured(*layers: Sections) -> SourceProcess:
            basic = basic_config(tmp_path, hub.endpoints.event_hub_connection_string, kafka.bootstrap, topic.name)
            source = SourceProcess(tmp_path)
            write_config(source.config, basic, {"source": {"transport": transport}}, *layers)
            return processes.enter_context(source)

        yield configured


@pytest.fixture
def source(configure: Configure) -> SourceProcess:
    """A started source process; it may not be ready yet."""
    process = configure()
    process.start()
    return process
