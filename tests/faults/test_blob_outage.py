"""The blob store fails: events flow on, the failures are counted, and the checkpoint catches up by itself."""

from collections.abc import Iterator

import pytest

from ingest.emulator import Emulator
from tests.faults.conftest import Configure
from tests.faults.source_process import SourceProcess
from tests.faults.stock_store import StockStore
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import wait_until
from tests.services.azurite import Azurite
from tests.services.faulty_http import FaultyProxy

pytestmark = [pytest.mark.services, pytest.mark.faults]


@pytest.fixture
def proxy(blob: Azurite) -> Iterator[FaultyProxy]:
    with FaultyProxy(blob.address) as proxy:
        yield proxy


@pytest.fixture
def store(hub: Emulator, blob: Azurite) -> Iterator[StockStore]:
    with StockStore(hub, blob.connection_string) as store:
        yield store


@pytest.fixture
def source(configure: Configure, blob: Azurite, proxy: FaultyProxy, store: StockStore) -> SourceProcess:
    """Started, with its checkpoints behind the proxy."""
    address = blob.connection_string_through(proxy.address)
    blobs = {"store": "blob", "blob_connection_string": address, "container": store.container}
    source = configure({"source": {"partitions": ["0"]}, "checkpoints": {**blobs, "interval_seconds": 0.2}})
    source.start()
    return source


def test_a_store_that_fails_and_comes_back(
    feeder: Feeder, topic: Topic, source: SourceProcess, proxy: FaultyProxy, store: StockStore
) -> None:
    def go_on() -> None:
        feeder.send("0", 100)
        topic.read(feeder.sent)

    def saved() -> bool:
        return store.sequence_numbers().get("0") == sum(feeder.sent.values()) - 1

    go_on()
    wait_until(saved, "the first checkpoint is not there")
    before = store.sequence_numbers()
    faults = (lambda: proxy.fail(500), lambda: proxy.fail(412, "ConditionNotMet"), proxy.refuse)
    for number, fault in enumerate(faults, start=1):
        fault()
        go_on()
        source.wait_metric("source_checkpoint_failures_total", number, partition="0")
        go_on()
    assert store.sequence_numbers() == before
    source.wait_said("checkpoint not saved, ingestion goes on: .*500")
    proxy.heal()
    go_on()
    wait_until(saved, lambda: source.story(f"the checkpoint stays at {store.sequence_numbers()}"))
    source.wait_said("partition 0: checkpoints are saved again")
    source.wait_ready()
    assert topic.repeats == 0
    assert len(source.pids("0")) == 1


def test_a_store_that_is_away_at_the_start(
    feeder: Feeder, topic: Topic, configure: Configure, blob: Azurite, proxy: FaultyProxy, store: StockStore
) -> None:
    """Without knowing the position nothing may start."""
    proxy.refuse()
    feeder.send("0", 100)
    address = blob.connection_string_through(proxy.address)
    source = configure(
        {"checkpoints": {"store": "blob", "blob_connection_string": address, "container": store.container}}
    )
    source.start()
    source.wait_unready("blob container .* cannot be reached")
    proxy.heal()
    topic.read(feeder.sent)
    source.wait_ready()
    assert source.close() == 0
    assert store.sequence_numbers() == {"0": 99}
