"""Every way to a token, at every service that takes one: an Event Hub of one's own, IoT Hub's service side, Blob Storage."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.config import Checkpoints, Config
from ingest.emulator import Emulator
from ingest.emulator.certificate import Certificate, make_certificate
from ingest.errors import Refused
from ingest.hub import event_hubs
from ingest.hub.auth import entra
from ingest.hub.auth.contract import SERVICES
from ingest.hub.auth.held import HeldTokens
from ingest.hub.auth.identity import needed
from ingest.sink.sending.results import SENT
from ingest.sink.sending.sender import Sender
from ingest.source.checkpoints import Checkpoint, open_store
from ingest.source.checkpoints.scope import scope
from ingest.timing import Deadline
from tests.hub.auth.fake_entra import FakeEntra
from tests.hub.auth.test_entra import WAYS, Way, by, certificate, config
from tests.hub.auth.test_identity import PATIENCE, configured
from tests.services.azurite import Azurite
from tests.sink.hub import command

__all__ = ["certificate", "config"]


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def blob_files(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("blob"))


@pytest.fixture(scope="module")
def blob_with_identity(blob_files: Certificate) -> Iterator[Azurite]:
    with Azurite(certificate=blob_files) as store:
        yield store


@pytest.fixture
def whole(
    hub: Emulator,
    fake: FakeEntra,
    blob_with_identity: Azurite,
    blob_files: Certificate,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Config:
    """Everything with an identity."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(b"".join(each.read_bytes() for each in (fake.ca_file, blob_files.ca_file)))
    account = Checkpoints(blob_account_url=blob_with_identity.account_url)
    return replace(configured(hub), checkpoints=account, identity=config.identity)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_opens_each_service(
    way: Way, whole: Config, fake: FakeEntra, held: HeldTokens, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = by(whole, way, fake, monkeypatch, tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(tmp_path / "trusted.pem"))
    assert needed(whole) == SERVICES
    entra.fetch_here(whole)
    assert event_hubs.partition_ids(whole) == ["0"]
    address = whole.hub.iot_hub
    assert address is not None
    sender = Sender(address, whole.hub.ca_file)
    sender.start()
    try:
        deadline = Deadline(PATIENCE)
        while not sender.ready:
            assert not deadline.expired, sender.trouble
            sender.poll(0.1)
        sender.send(command())
        assert [outcome for _, outcome in sender.poll(PATIENCE)] == [SENT]
    finally:
        sender.close()
    store = open_store(whole.checkpoints, scope(whole), whole.proxy)
    try:
        store.check()
        store.save(Checkpoint("0", "5", 5))
        found = store.load("0")
        assert found is not None
        assert found.sequence_number == 5
    finally:
        store.close()
    assert len(fake.asked) == len(SERVICES), "one request for each service, whoever asks for its token"


def test_a_container_that_the_identity_may_not_write_names_the_role(
    whole: Config, fake: FakeEntra, held: HeldTokens, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = by(whole, "managed_identity", fake, monkeypatch, tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(tmp_path / "trusted.pem"))
    fetch = entra.fetcher(whole)
    held.fetch_with(lambda service: fetch(SERVICES[0]))
    store = open_store(whole.checkpoints, scope(whole), whole.proxy)
    try:
        with pytest.raises(Refused, match="give the identity the role Storage Blob Data Contributor"):
            store.check()
    finally:
        store.close()
