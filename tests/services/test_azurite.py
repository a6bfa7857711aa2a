"""tests.services.azurite: the stock checkpoint store works on it, and it comes back on its port."""

import uuid
from pathlib import Path

import pytest
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore
from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import ContainerClient

from tests.services.azurite import Azurite

pytestmark = pytest.mark.services


def test_the_stock_checkpoint_store_works(blob: Azurite) -> None:
    name = f"services-{uuid.uuid4().hex}"
    with ContainerClient.from_connection_string(blob.connection_string, name) as container:
        container.create_container()
    checkpoint: dict[str, str | int] = {
        "fully_qualified_namespace": "hub.example.net",
        "eventhub_name": "hub",
        "consumer_group": "$default",
        "partition_id": "0",
        "offset": "4242",
        "sequence_number": 17,
    }
    store = BlobCheckpointStore.from_connection_string(blob.connection_string, name)
    try:
        store.update_checkpoint(checkpoint)
        (found,) = store.list_checkpoints("hub.example.net", "hub", "$default")
    finally:
        store._container_client.close()
    assert (found["offset"], found["sequence_number"]) == ("4242", 17)


@pytest.mark.faults
def test_a_killed_store_comes_back_on_its_port_with_its_blobs() -> None:
    with Azurite(keep_data=True) as store:
        with ContainerClient.from_connection_string(store.connection_string, "kept") as container:
            container.create_container()
            container.upload_blob("one", b"1")
        # Azurite writes its index of blobs once in a while and when it is asked to stop.
        store.restart()
        with ContainerClient.from_connection_string(store.connection_string, "kept") as container:
            assert container.download_blob("one").readall() == b"1"
        store.kill()
        store.restart()
        assert store.poll() is None


def test_the_key_is_not_in_the_arguments_of_the_process(blob: Azurite) -> None:
    key = blob.connection_string.partition("AccountKey=")[2].partition(";")[0]
    assert key not in Path(f"/proc/{blob.pid()}/cmdline").read_text()
