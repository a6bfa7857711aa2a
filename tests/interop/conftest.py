"""A hub, a container for checkpoints and a topic for every chain, and its readers by name."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from ingest.emulator import Emulator
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.stock_store import StockStore
from tests.faults.telemetry import Topic
from tests.interop.chain import Chain
from tests.interop.foreign import ForeignReader
from tests.interop.ingester import Ingester
from tests.interop.reader import Reader
from tests.services import processors
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

NAMESPACE = "localhost"
"""Of the emulator's TLS port, in checkpoints: the real one has no port, so the address to connect to is told apart."""
CHECKPOINT_EVERY = 10
"""Events of a partition; ingest writes by time."""


def _python_processor() -> list[str]:
    return [sys.executable, str(Path(__file__).parent / "python" / "processor.py")]


PROCESSORS: dict[str, Callable[[], list[str]]] = {
    "python": _python_processor,
    "javascript": processors.javascript_processor,
    "java": processors.java_processor,
    "go": processors.go_processor,
}
"""Language → how to get the command line of its processor."""
if "RUST_PROCESSOR" in os.environ:  # built by hand, see README.md
    PROCESSORS["rust"] = lambda: [os.environ["RUST_PROCESSOR"]]


@pytest.fixture
def hub() -> Iterator[Emulator]:
    """Its name and group have capital letters, which some clients keep in the paths of checkpoints and some do not."""
    with Emulator(partitions=2, event_hub="IotHub-Ehub-Interop") as emulator:
        yield emulator


@pytest.fixture
def chain(hub: Emulator) -> Chain:
    devices = {partition: _device(hub, partition) for partition in hub.hub.partitions}

    def send(partition: str, bodies: Sequence[str]) -> None:
        hub.send_many((devices[partition], body.encode(), {}) for body in bodies)

    return Chain(hub.hub.partitions, send)


def _device(hub: Emulator, partition: str) -> str:
    return next(device for index in range(10_000) if hub.partition_of(device := f"device-{index}") == partition)


@pytest.fixture
def new_reader(hub: Emulator, blob: Azurite, kafka: KafkaCluster, tmp_path: Path) -> Iterator[Callable[[str], Reader]]:
    """`new_reader("ingest")`, or the name of a language: a reader that is not started, for one leg of a chain."""
    tls = hub.endpoints.event_hub_connection_string_tls
    address = hub.endpoints.amqps.removeprefix("amqps://")
    with ExitStack() as ending:
        store = ending.enter_context(StockStore(hub, blob.connection_string, NAMESPACE))
        topic = ending.enter_context(Topic(kafka.bootstrap))
        source = ending.enter_context(SourceProcess(tmp_path))
        order = {
            "HUB_CONNECTION_STRING": tls.replace(address, NAMESPACE),
            "HUB_ENDPOINT": address,
            "HUB_CA_FILE": hub.endpoints.ca_file,
            "NODE_EXTRA_CA_CERTS": hub.endpoints.ca_file,
            "CONSUMER_GROUP": "$Default",
            "BLOB_CONNECTION_STRING": blob.connection_string,
            "BLOB_CONTAINER": store.container,
            "BLOB_CONTAINER_URL": store.signed_url(),
            "SSL_CERT_FILE": hub.endpoints.ca_file,
            "CHECKPOINT_EVERY": str(CHECKPOINT_EVERY),
            "CLAIM_SECONDS": "1",
            "OWNERSHIP_SECONDS": "3",
        }
        write_config(
            source.config,
            {
                "hub": {"event_hub_connection_string": tls, "ca_file": hub.endpoints.ca_file},
                # "latest": where ingest does not find a position, events are lost.
                "source": {"topic": topic.name, "dead_letter_topic": f"{topic.name}.dead", "start": "latest"},
                "checkpoints": {
                    "store": "blob",
                    "blob_connection_string": blob.connection_string,
                    "container": store.container,
                    "interval_seconds": 0.5,
                },
                "kafka": {"bootstrap_servers": kafka.bootstrap},
                "metrics": {"port": 0},
                "service": {"log_format": "json", "shutdown_seconds": 20},
            },
        )

        def new(name: str) -> Reader:
            if name == Ingester.name:
                return Ingester(source, topic, store)
            reader = ForeignReader(name, PROCESSORS[name](), order)
            ending.callback(reader.close)
            return reader

        yield new
