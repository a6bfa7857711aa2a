"""Positions are handed over between ingest and the processors of other languages, in both directions: nothing is lost,
and nothing comes twice but what a killed reader had not covered by a checkpoint."""

import sys
from collections.abc import Callable, Iterator
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
from tests.services import processors
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
CHECKPOINT_EVERY = 10
"""Events of a partition; ingest writes by time."""
NAMESPACE = "localhost"
"""Of the emulator's TLS port, in checkpoints: the real one has no port, so the address to connect to is told apart."""


def python_processor() -> list[str]:
    return [sys.executable, str(Path(__file__).parent / "python" / "processor.py")]


LANGUAGES: dict[str, Callable[[], list[str]]] = {
    "python": python_processor,
    "javascript": processors.javascript_processor,
    "java": processors.java_processor,
    "go": processors.go_processor,
}


@pytest.fixture
def store(hub: Emulator, blob: Azurite, group: str) -> Iterator[StockStore]:
    with StockStore(hub, blob.connection_string, NAMESPACE, group) as store:
        yield store


@pytest.mark.parametrize(
    ("language", "group"), [("python", "$Default"), ("javascript", "$Default"), ("java", "$Default"), ("go", "interop")]
)
def test_positions_are_handed_over(
    language: str,
    group: str,
    hub: Emulator,
    store: StockStore,
    blob: Azurite,
    kafka: KafkaCluster,
    topic: Topic,
    tmp_path: Path,
) -> None:
    command = LANGUAGES[language]()
    tls = hub.endpoints.event_hub_connection_string_tls
    address = hub.endpoints.amqps.removeprefix("amqps://")
    order = {
        "HUB_CONNECTION_STRING": tls.replace(address, NAMESPACE),
        "HUB_ENDPOINT": address,
        "HUB_CA_FILE": hub.endpoints.ca_file,
        "NODE_EXTRA_CA_CERTS": hub.endpoints.ca_file,
        "CONSUMER_GROUP": group,
        "BLOB_CONNECTION_STRING": blob.connection_string,
        "BLOB_CONTAINER": store.container,
        "CHECKPOINT_EVERY": str(CHECKPOINT_EVERY),
        "CLAIM_SECONDS": "1",
        "OWNERSHIP_SECONDS": "5",
    }
    source = SourceProcess(tmp_path)
    write_config(
        source.config,
        {
            "hub": {"event_hub_connection_string": tls, "ca_file": hub.endpoints.ca_file},
            "source": {"topic": topic.name, "dead_letter_topic": f"{topic.name}.dead", "consumer_group": group},
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
    with ExitStack() as ending:
        ending.enter_context(source)

        def foreign() -> ForeignReader:
            reader = ForeignReader(language, command, order)
            ending.callback(reader.close)
            return reader

        def ours() -> Ingester:
            return Ingester(source, topic, store)

        chain = Chain(hub)
        chain.stop(foreign())
        chain.stop(ours())
        chain.kill(foreign())
        chain.kill(ours())
        chain.stop(foreign())
    print(chain.story())
    assert chain.lost() == []
