"""A checkpoint that the hub cannot honour: start at the oldest event that is held, say so, count the gap."""

from collections.abc import Iterator

import pytest

from ingest.emulator import Emulator
from tests.faults.conftest import Configure, both_transports
from tests.faults.stock_store import StockStore
from tests.faults.telemetry import Feeder, Topic
from tests.services.azurite import Azurite

pytestmark = [pytest.mark.services, pytest.mark.faults, both_transports]
KEPT = 200


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=2, retention_events=KEPT) as emulator:
        yield emulator


def test_events_after_the_checkpoint_have_expired(
    hub: Emulator, feeder: Feeder, topic: Topic, configure: Configure
) -> None:
    source = configure({"source": {"partitions": ["0"]}})
    feeder.send("0", 100, devices=1)
    source.start()
    topic.read(feeder.sent)
    assert source.close() == 0
    feeder.send("0", 1_000, devices=1)
    source.start()
    source.wait_metric("source_records_acked_total", KEPT)
    source.wait_said(f"Partition 0: {1_000 - KEPT} sequence numbers missing before offset")
    source.wait_metric("source_sequence_gaps_total", 1_000 - KEPT)
    device = feeder.device("0")
    held = range(1_100 - KEPT + 1, 1_101)
    while topic.counters[device][-1] < 1_100:
        topic.poll(0.5)
    assert topic.counters[device] == [*range(1, 101), *held]
    source.wait_ready()
    assert source.metric("source_sequence_gaps_total") == 1_000 - KEPT


def test_a_checkpoint_beyond_the_end_of_the_log(
    hub: Emulator, feeder: Feeder, topic: Topic, configure: Configure, blob: Azurite
) -> None:
    """As after a hub was made anew under the old name: its numbering began again."""
    feeder.send("0", 150)
    with StockStore(hub, blob.connection_string) as store:
        store.write("0", "123456789", 50_000)
        blobs = {"store": "blob", "blob_connection_string": blob.connection_string, "container": store.container}
        source = configure({"source": {"partitions": ["0"]}, "checkpoints": blobs})
        source.start()
        topic.read(feeder.sent)
        topic.check(feeder.sent)
        source.wait_said(
            r"Partition 0: the hub no longer knows the position \(the event after offset 123456789, .*"
            "starts again at the oldest event"
        )
        source.wait_metric("source_sequence_gaps_total", 1)
        source.wait_ready()
        assert source.close() == 0
        assert store.sequence_numbers() == {"0": 149}


def test_a_dotnet_checkpoint_without_an_offset_is_gone_on_from(
    hub: Emulator, feeder: Feeder, topic: Topic, configure: Configure, blob: Azurite
) -> None:
    feeder.send("0", 100, devices=1)
    with StockStore(hub, blob.connection_string) as store:
        store.write("0", "no offset", 49)
        blobs = {"store": "blob", "blob_connection_string": blob.connection_string, "container": store.container}
        source = configure({"source": {"partitions": ["0"]}, "checkpoints": blobs})
        source.start()
        source.wait_metric("source_records_acked_total", 50)
        source.wait_ready()
        assert source.metric("source_sequence_gaps_total") == source.metric("source_duplicates_total") == 0
        assert source.close() == 0
        assert store.sequence_numbers() == {"0": 99}
    device = feeder.device("0")
    while topic.counters.get(device, [0])[-1] < 100:
        topic.poll(0.5)
    assert topic.counters[device] == [*range(51, 101)]
