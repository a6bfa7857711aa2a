"""Positions that processors of other languages and generations left in a container, against Azurite."""

import json
import logging
import uuid
from collections.abc import Iterator

import pytest
from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import ContainerClient

from ingest.config import Secret
from ingest.errors import Refused
from ingest.source.checkpoints.blob import BlobStore
from ingest.source.checkpoints.store import Changed, Checkpoint
from tests.services.azurite import Azurite
from tests.source.checkpoints.contract import SCOPE, position, without_time

pytestmark = pytest.mark.services

OURS = "ns-1.servicebus.windows.net/telemetry/$default/checkpoint/"
THEIRS = "NS-1.servicebus.windows.net/Telemetry/$Default/checkpoint/"
LEASE = {"Offset": "700", "SequenceNumber": 7, "PartitionId": "0", "Owner": "", "Token": "", "Epoch": 1}


@pytest.fixture
def container(blob: Azurite) -> Iterator[ContainerClient]:
    with ContainerClient.from_connection_string(blob.connection_string, f"others-{uuid.uuid4().hex}") as client:
        client.create_container()
        yield client


@pytest.fixture
def store(blob: Azurite, container: ContainerClient) -> Iterator[BlobStore]:
    store = BlobStore(Secret(blob.connection_string), container.container_name, SCOPE)
    yield store
    store.close()


def put(container: ContainerClient, name: str, metadata: dict[str, str] | None = None, content: bytes = b"") -> None:
    container.upload_blob(name, content, metadata=metadata, overwrite=True)


def position_metadata(number: int) -> dict[str, str]:
    return {"offset": str(number * 100), "sequencenumber": str(number)}


def metadata(container: ContainerClient, name: str) -> dict[str, str]:
    found: dict[str, str] = container.get_blob_client(name).get_blob_properties().metadata
    return found


def names(container: ContainerClient) -> list[str]:
    return sorted(blob.name for blob in container.list_blobs())


def test_the_example_of_the_field(store: BlobStore, container: ContainerClient) -> None:
    put(container, OURS + "0", {"offset": "no offset", "sequencenumber": "49", "clientidentifier": "x"})
    assert without_time(store.load("0")) == Checkpoint("0", None, 49)
    assert [without_time(each) for each in store.load_all()] == [Checkpoint("0", None, 49)]


@pytest.mark.parametrize("folder", [THEIRS, THEIRS.upper().replace("/CHECKPOINT/", "/checkpoint/"), OURS])
def test_a_path_in_any_case_is_found_and_named(store: BlobStore, container: ContainerClient, folder: str) -> None:
    put(container, folder + "0", position_metadata(5))
    for found in (store.load("0"), *store.load_all()):
        assert without_time(found) == position("0", 5)
        assert found is not None
        assert found.place == folder + "0"


def test_other_hubs_and_groups_are_not_taken(store: BlobStore, container: ContainerClient) -> None:
    for folder in (
        "ns-2.servicebus.windows.net/Telemetry/$Default/checkpoint/",
        "ns-1.servicebus.windows.net/Telemetry2/$Default/checkpoint/",
        "ns-1.servicebus.windows.net/Telemetry/other/checkpoint/",
        THEIRS.replace("/checkpoint/", "/ownership/"),
    ):
        put(container, folder + "0", position_metadata(5))
    assert store.load("0") is None
    assert store.load_all() == []


@pytest.mark.parametrize(("first", "second"), [(OURS, THEIRS), (THEIRS, OURS)])
def test_of_two_the_newer_counts(store: BlobStore, container: ContainerClient, first: str, second: str) -> None:
    """Both are written within one second, which is all that a blob's time tells, or in two."""
    put(container, first + "0", position_metadata(5))
    put(container, second + "0", position_metadata(9))
    for found in (store.load("0"), *store.load_all()):
        assert without_time(found) == position("0", 9)
        assert found is not None
        assert found.place == second + "0"


def test_newer_is_what_was_saved_later_whatever_its_number(store: BlobStore) -> None:
    """A hub that was recreated begins with low numbers."""
    ours, theirs = (OURS + "0", position_metadata(5), 100.5, "a"), (THEIRS + "0", position_metadata(9), 99.5, "b")
    found = store._newest("0", [ours, theirs])
    assert without_time(found) == position("0", 5)


def test_theirs_is_written_together_with_ours_so_that_they_can_take_over(
    store: BlobStore, container: ContainerClient
) -> None:
    put(container, THEIRS + "0", position_metadata(5))
    store.load("0")
    store.save(position("0", 6))
    store.save(position("1", 1))
    assert metadata(container, THEIRS + "0") == metadata(container, OURS + "0") == position_metadata(6)
    assert names(container) == sorted([OURS + "0", OURS + "1", THEIRS + "0"])
    container.delete_blob(THEIRS + "0")
    store.save(position("0", 7))
    assert names(container) == [OURS + "0", OURS + "1"], "what its owner took away does not come back"
    assert without_time(store.load("0")) == position("0", 7)


def test_theirs_that_went_on_is_not_written_over(store: BlobStore, container: ContainerClient) -> None:
    put(container, THEIRS + "0", position_metadata(5))
    seen = store.save(position("0", 6), store.load("0"))
    put(container, THEIRS + "0", position_metadata(20))
    with pytest.raises(Changed) as lost:
        store.save(position("0", 7), seen)
    assert without_time(lost.value.found) == position("0", 20)
    assert metadata(container, OURS + "0") == position_metadata(6)
    store.save(position("0", 21), lost.value.found)
    assert metadata(container, THEIRS + "0") == metadata(container, OURS + "0") == position_metadata(21)


def test_both_are_deleted(store: BlobStore, container: ContainerClient) -> None:
    for name in (OURS + "0", THEIRS + "0", THEIRS + "1"):
        put(container, name, position_metadata(5))
    store.delete("0")
    assert names(container) == [THEIRS + "1"]
    assert store.load("0") is None


def test_a_damaged_one_is_passed_over_beside_a_good_one(
    store: BlobStore, container: ContainerClient, caplog: pytest.LogCaptureFixture
) -> None:
    put(container, OURS + "0", position_metadata(5))
    put(container, THEIRS + "0", {"offset": "@latest"})
    assert without_time(store.load("0")) == position("0", 5)
    assert f"{THEIRS}0 in blob container" in caplog.text
    container.delete_blob(OURS + "0")
    with pytest.raises(Refused, match="holds no position"):
        store.load("0")


def test_a_blob_without_metadata_is_refused(store: BlobStore, container: ContainerClient) -> None:
    put(container, OURS + "0")
    with pytest.raises(Refused, match="holds no position"):
        store.load("0")


@pytest.mark.parametrize(
    "name",
    [
        "$Default/0",
        "$default/0",
        "leases/$Default/0",
        "prod$Default/0",
        "ns-1.servicebus.windows.net/telemetry/$Default/0",
        "NS-1.servicebus.windows.net/Telemetry/$Default/0",
        "a/b/$Default/0",
    ],
)
def test_a_lease_is_read_while_there_is_no_checkpoint(store: BlobStore, container: ContainerClient, name: str) -> None:
    put(container, name, content=json.dumps(LEASE).encode())
    found = store.load("0")
    assert without_time(found) == position("0", 7)
    assert found is not None
    assert (found.place, found.lease) == (name, True)
    assert store.load_all() == [found]
    assert store.load("1") is None
    store.save(position("0", 9))
    assert without_time(store.load("0")) == position("0", 9)
    store.delete("0")
    assert names(container) == [name], "it belongs to others"


@pytest.mark.parametrize(
    "name",
    [
        "other/0",
        "prod-other/0",
        "$Default/1",
        "$Default",
        "$Default/0/more",
        "ns-2.servicebus.windows.net/telemetry/$Default/0",
        "ns-1.servicebus.windows.net/telemetry2/$Default/0",
        "localhost:5673/telemetry/$Default/0",
        "checkpoint/$Default/0",
    ],
)
def test_what_is_not_the_partition_s_lease_is_left_alone(
    store: BlobStore, container: ContainerClient, name: str
) -> None:
    put(container, name, content=json.dumps(LEASE).encode())
    assert store.load("0") is None


def test_of_several_leases_the_one_with_the_hub_s_names_is_read(store: BlobStore, container: ContainerClient) -> None:
    for folder, number in (("leases", 1), ("telemetry", 2), ("ns-1.servicebus.windows.net/telemetry", 3)):
        put(container, f"{folder}/$Default/0", content=json.dumps({**LEASE, "Offset": str(number)}).encode())
        found = store.load("0")
        assert found is not None
        assert found.offset == str(number)


@pytest.mark.parametrize(
    "content",
    [b"", b"not JSON", b"[" * 70_000, json.dumps({**LEASE, "PartitionId": "4"}).encode()],
    ids=["empty", "not JSON", "deep", "of another partition"],
)
def test_a_lease_that_cannot_be_read_is_refused_with_the_way_out(
    store: BlobStore, blob: Azurite, container: ContainerClient, content: bytes
) -> None:
    put(container, "$Default/0", content=content)
    with pytest.raises(Refused, match=r"partition 0 has no checkpoint, and \$Default/0 .*--ignore-legacy-leases"):
        store.load("0")
    ignoring = BlobStore(Secret(blob.connection_string), container.container_name, SCOPE, leases=False)
    assert ignoring.load("0") is None
    ignoring.close()


def test_two_leases_that_are_equally_likely_are_refused(store: BlobStore, container: ContainerClient) -> None:
    for folder in ("a", "b"):
        put(container, f"{folder}/$Default/0", content=json.dumps(LEASE).encode())
    with pytest.raises(Refused, match=r"a/\$Default/0 and b/\$Default/0"):
        store.load("0")


def test_a_lease_without_a_position_is_none(
    store: BlobStore, container: ContainerClient, caplog: pytest.LogCaptureFixture
) -> None:
    put(container, "$Default/0", content=json.dumps({**LEASE, "Offset": None, "SequenceNumber": 0}).encode())
    with caplog.at_level(logging.INFO):
        assert store.load("0") is None
    assert "holds no position yet" in caplog.text


def test_a_container_with_very_many_folders_is_searched_in_part_and_says_so(
    store: BlobStore, container: ContainerClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.source.checkpoints.folders._MOST_FOLDERS", 2)
    for folder in ("a", "b"):
        put(container, f"{folder}/x")
    assert store.load("0") is None
    assert "more than 2 folders" in caplog.text


def test_before_the_first_event_is_read_by_every_client(store: BlobStore, container: ContainerClient) -> None:
    """They take offset "-1" for the beginning of the log."""
    store.save(Checkpoint("0", "-1", -1))
    assert metadata(container, OURS + "0") == {"offset": "-1", "sequencenumber": "-1"}
    assert without_time(store.load("0")) == Checkpoint("0", "-1", -1)
