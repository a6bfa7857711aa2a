"""The checkpoint store: folder, and container in Azurite."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    RetentionPolicy,
    generate_account_sas,
)

from ingest.config import Checkpoints, Config, Hub, Secret
from ingest.doctor.check import Finding
from ingest.doctor.checkpoints import (
    checkpoint_checks,
    judge_folder,
    judge_history,
    judge_history_unknown,
    judge_missing_folder,
)
from ingest.doctor.runner import run_checks
from ingest.source.checkpoints import Checkpoint, Scope
from ingest.source.checkpoints.file import FileCheckpointStore
from tests.config.samples import EVENT_HUB
from tests.services.azurite import Azurite
from tests.services.faulty_http import FaultyProxy


def look(settings: Checkpoints) -> dict[str, Finding]:
    config = Config(hub=Hub(Secret(EVENT_HUB)), checkpoints=settings)
    return {finding.check: finding for finding in run_checks(checkpoint_checks(config), seconds=60)}


def in_folder(path: Path) -> Finding:
    return look(Checkpoints(store="file", path=path))["checkpoints"]


class TestFolder:
    def test_one_that_is_there(self, tmp_path: Path) -> None:
        FileCheckpointStore(tmp_path, Scope("ihsuprod.servicebus.windows.net", "iothub-ehub-a-1", "$Default")).save(
            Checkpoint("0", "12", 12)
        )
        before = sorted(tmp_path.rglob("*"))
        finding = in_folder(tmp_path)
        assert finding.result == "ok"
        assert finding.seen.startswith(f"folder {tmp_path} is writable, 1 partitions have one")
        assert sorted(tmp_path.rglob("*")) == before, "the doctor has written something"

    def test_one_with_a_damaged_checkpoint(self, tmp_path: Path) -> None:
        store = FileCheckpointStore(tmp_path, Scope("ihsuprod.servicebus.windows.net", "iothub-ehub-a-1", "$Default"))
        store.save(Checkpoint("0", "12", 12))
        store.save(Checkpoint("3", "12", 12))
        next(tmp_path.rglob("3.json")).write_bytes(b"")
        finding = in_folder(tmp_path)
        assert finding.result == "fail"
        assert "3.json is damaged (it is empty)" in finding.seen
        assert "ingest checkpoints reset -c … --partition 3 --yes" in (finding.fix or "")

    def test_one_that_is_locked(self, tmp_path: Path) -> None:
        locked = judge_folder(tmp_path, [tmp_path / "a"], 0, as_root=False)
        assert (locked.result, locked.fix) == ("fail", f"chown -R USER {tmp_path}")
        assert str(tmp_path / "a") in locked.seen
        assert "as root" in judge_folder(tmp_path, [], 0, as_root=True).seen
        assert "as root" not in judge_folder(tmp_path, [], 0, as_root=False).seen

    def test_one_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert in_folder(tmp_path / "file").result == "fail"

    def test_one_that_will_be_made_is_not_made_yet(self, tmp_path: Path) -> None:
        finding = in_folder(tmp_path / "a" / "b")
        assert (finding.result, finding.seen) == ("ok", f"folder {tmp_path}/a/b is not there yet and will be made")
        assert list(tmp_path.iterdir()) == []

    def test_one_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        finding = in_folder(tmp_path / "file" / "folder")
        assert finding.result == "fail"
        assert "install -d" in finding.fix

    def test_one_that_cannot_even_be_looked_at(self, tmp_path: Path) -> None:
        finding = in_folder(tmp_path / ("a" * 400))
        assert "fault of ingest" not in finding.fix

    def test_one_below_a_folder_of_somebody_else(self) -> None:
        verdict = judge_missing_folder(Path("/var/lib/a/b"), Path("/var/lib"), writable=False)
        assert verdict.result == "fail"
        assert "/var/lib is not writable for this user" in verdict.seen


@pytest.mark.services
class TestBlob:
    @pytest.fixture
    def service(self, blob: Azurite) -> Iterator[BlobServiceClient]:
        with BlobServiceClient.from_connection_string(blob.connection_string) as service:
            yield service
            service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=False))

    @pytest.fixture
    def container(self, service: BlobServiceClient) -> str:
        name = f"doctor-{uuid.uuid4().hex}"
        service.create_container(name)
        return name

    def test_a_healthy_one(self, blob: Azurite, container: str) -> None:
        findings = look(Checkpoints(blob_connection_string=Secret(blob.connection_string), container=container))
        assert {finding.result for finding in findings.values()} == {"ok"}
        assert findings["checkpoints"].seen == f"container {container} is writable, 0 partitions have one"

    def test_one_that_is_missing_is_not_made(self, blob: Azurite, service: BlobServiceClient) -> None:
        name = f"doctor-{uuid.uuid4().hex}"
        findings = look(Checkpoints(blob_connection_string=Secret(blob.connection_string), container=name))
        assert findings["checkpoints"].result == "warn"
        assert f"container {name} is not there yet" in findings["checkpoints"].seen
        assert findings["checkpoint history"].result == "ok"
        assert name not in [each.name for each in service.list_containers()]

    def test_soft_delete(self, blob: Azurite, container: str, service: BlobServiceClient) -> None:
        service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=7))
        findings = look(Checkpoints(blob_connection_string=Secret(blob.connection_string), container=container))
        assert findings["checkpoints"].result == "ok"
        assert findings["checkpoint history"].result == "warn"
        assert "7 days" in findings["checkpoint history"].seen
        assert "Data protection" in findings["checkpoint history"].fix

    @pytest.mark.parametrize(("write", "store", "history"), [(False, "fail", "skipped"), (True, "ok", "warn")])
    def test_a_token_that_may_not_do_everything(
        self, blob: Azurite, container: str, write: bool, store: str, history: str
    ) -> None:
        parts = dict(part.split("=", 1) for part in blob.connection_string.split(";") if part)
        token = generate_account_sas(
            parts["AccountName"],
            parts["AccountKey"],
            # Without the resource type for the settings of the account.
            ResourceTypes(service=False, container=True, object=True),
            AccountSasPermissions(read=True, list=True, write=write, create=write, delete=write),
            datetime.now(UTC) + timedelta(hours=1),
        )
        address = f"BlobEndpoint={parts['BlobEndpoint']};SharedAccessSignature={token}"
        findings = look(Checkpoints(blob_connection_string=Secret(address), container=container))
        assert findings["checkpoints"].result == store
        assert findings["checkpoint history"].result == history
        assert all("sig=" not in finding.seen + finding.fix for finding in findings.values())
        if not write:
            assert "checkpoints.blob_connection_string" in findings["checkpoints"].fix

    def test_a_store_that_is_away(self, blob: Azurite, container: str) -> None:
        with FaultyProxy(blob.address) as proxy:
            address = blob.connection_string_through(proxy.address)
            proxy.refuse()
            finding = look(Checkpoints(blob_connection_string=Secret(address), container=container))["checkpoints"]
        assert finding.result == "fail"
        assert "cannot be reached" in finding.seen


def test_histories() -> None:
    assert judge_history(0, versions=False).result == "ok"
    assert "versioning is on" in judge_history(0, versions=True).seen
    assert judge_history(7, versions=False).result == "warn"
    assert "403" in judge_history_unknown(403).seen
    assert "no answer" in judge_history_unknown(None).seen
