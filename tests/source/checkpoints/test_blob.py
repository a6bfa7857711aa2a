"""Checkpoints in Azure Blob Storage, against Azurite: the contract, other Event Hubs clients, and every way to fail."""

import base64
import re
import secrets
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

from ingest.config import Secret
from ingest.errors import ConfigError, IngestError, Refused, Unreachable
from ingest.source.checkpoints import blob as blob_module
from ingest.source.checkpoints.blob import BlobStore
from ingest.source.checkpoints.store import Checkpoint, Damaged, Scope
from tests.services.azurite import Azurite
from tests.services.faulty_http import FaultyProxy
from tests.source.checkpoints.contract import SCOPE, Opener, StoreContract, position, without_time

pytestmark = pytest.mark.services

KEY = base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def container() -> str:
    return f"checkpoints-{uuid.uuid4().hex}"


@pytest.fixture
def opener(blob: Azurite, container: str) -> Iterator[Opener]:
    with ExitStack() as opened:

        def open_one(scope: Scope) -> BlobStore:
            store = BlobStore(Secret(blob.connection_string), container, scope)
            opened.callback(store.close)
            return store

        yield open_one


@pytest.fixture
def stock(blob: Azurite, container: str) -> Iterator[BlobCheckpointStore]:
    """The store of Microsoft's own Event Hubs clients, on the same container."""
    store = BlobCheckpointStore.from_connection_string(blob.connection_string, container)
    yield store
    store.close()


class TestContract(StoreContract):
    pass


class TestOtherClients:
    """`EventHubConsumerClient` reads with list_checkpoints, and writes with update_checkpoint."""

    def test_they_go_on_where_we_stopped(self, opener: Opener, stock: BlobCheckpointStore) -> None:
        store = opener(SCOPE)
        store.save(position("0", 5))
        store.save(Checkpoint("1", "1:2:3", None))
        found = {
            each["partition_id"]: (each["offset"], each["sequence_number"])
            for each in stock.list_checkpoints(SCOPE.namespace, SCOPE.event_hub, SCOPE.consumer_group)
        }
        assert found == {"0": ("500", 5), "1": ("1:2:3", -1)}

    def test_we_go_on_where_they_stopped(self, opener: Opener, stock: BlobCheckpointStore) -> None:
        store = opener(SCOPE)
        store.check()
        _stock_update(stock, "0", "77", 8)
        _stock_update(stock, "1", None, 9)
        _stock_update(stock, "2", "78", None)
        expected = [Checkpoint("0", "77", 8), Checkpoint("1", None, 9), Checkpoint("2", "78", None)]
        assert [without_time(each) for each in store.load_all()] == expected
        assert [without_time(store.load(each.partition)) for each in expected] == expected

    def test_both_write_the_same_blob(self, opener: Opener, stock: BlobCheckpointStore) -> None:
        store = opener(SCOPE)
        store.save(position("0", 1))
        _stock_update(stock, "0", "900", 9)
        assert without_time(store.load("0")) == position("0", 9)
        store.save(position("0", 10))
        [found] = stock.list_checkpoints(SCOPE.namespace, SCOPE.event_hub, SCOPE.consumer_group)
        assert found["sequence_number"] == 10

    def test_ownership_is_left_alone(self, opener: Opener, stock: BlobCheckpointStore) -> None:
        store = opener(SCOPE)
        store.check()
        owner = {**_names(), "partition_id": "0", "owner_id": "somebody"}
        assert len(list(stock.claim_ownership([owner]))) == 1
        store.save(position("0", 1))
        store.delete("0")
        assert store.load("0") is None
        assert store.load_all() == []
        [kept] = stock.list_ownership(SCOPE.namespace, SCOPE.event_hub, SCOPE.consumer_group)
        assert kept["owner_id"] == "somebody"

    def test_a_blob_without_a_position_is_refused(self, opener: Opener, stock: BlobCheckpointStore) -> None:
        store = opener(SCOPE)
        store.check()
        _stock_update(stock, "3", None, None)
        for read in (lambda: store.load("3"), store.load_all):
            with pytest.raises(Refused, match=r"checkpoint/3 .* delete it so that partition 3"):
                read()
        store.save(position("0", 1))
        damaged: list[Damaged] = []
        assert [without_time(each) for each in store.load_all(damaged)] == [position("0", 1)]
        [one] = damaged
        assert one.partition == "3"
        assert "ingest checkpoints reset -c … --partition 3 --yes" in str(one)

    def test_check_leaves_no_blob(self, opener: Opener, stock: BlobCheckpointStore) -> None:
        opener(SCOPE).check()
        assert list(stock._container_client.list_blobs()) == []


@pytest.fixture
def proxy(blob: Azurite) -> Iterator[FaultyProxy]:
    with FaultyProxy(blob.address) as proxy:
        yield proxy


@pytest.fixture
def distant(blob: Azurite, proxy: FaultyProxy, container: str) -> Iterator[BlobStore]:
    """A store behind a proxy that misbehaves on request."""
    store = BlobStore(Secret(blob.connection_string_through(proxy.address)), container, SCOPE)
    yield store
    store.close()


def _all_calls(store: BlobStore) -> list[Callable[[], Any]]:
    return [
        store.check,
        store.load_all,
        lambda: store.load("0"),
        lambda: store.save(position("0", 2)),
        lambda: store.delete("0"),
    ]


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (500, "InternalError", Unreachable),
            (503, "ServerBusy", Unreachable),
            (412, "LeaseIdMissing", Unreachable),
            (429, "TooManyRequests", Unreachable),
            (409, "ContainerBeingDeleted", Unreachable),
            (403, "AuthenticationFailed", Refused),
            (403, "AuthorizationPermissionMismatch", Refused),
            (401, "NoAuthenticationInformation", Refused),
            (400, "InvalidResourceName", Refused),
        ],
    )
    def test_an_answer_that_is_no(
        self, distant: BlobStore, proxy: FaultyProxy, status: int, code: str, expected: type[IngestError]
    ) -> None:
        distant.save(position("0", 1))
        proxy.fail(status, code)
        for call in _all_calls(distant):
            asked = proxy.refused
            with pytest.raises(expected, match=f"answered {status}"):
                call()
            assert proxy.refused == asked + 1, "one attempt, no retries in the client"
        proxy.heal()
        assert without_time(distant.load("0")) == position("0", 1)

    def test_connection_refused(self, distant: BlobStore, proxy: FaultyProxy) -> None:
        proxy.refuse()
        for call in _all_calls(distant):
            with pytest.raises(Unreachable, match=r"cannot be reached \(Connection refused\)"):
                call()
        proxy.heal()
        distant.check()

    def test_no_answer(
        self, blob: Azurite, proxy: FaultyProxy, container: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blob_module, "_READ_SECONDS", 0.3)
        store = BlobStore(Secret(blob.connection_string_through(proxy.address)), container, SCOPE)
        proxy.hang()
        for call in _all_calls(store):
            with pytest.raises(Unreachable, match="no answer in time"):
                call()

    def test_an_unknown_host(self, container: str) -> None:
        store = BlobStore(Secret(_strings(KEY, "https://nosuch.invalid/x")), container, SCOPE)
        with pytest.raises(Unreachable, match=r"nosuch\.invalid.*check the network"):
            store.check()

    @pytest.mark.parametrize("call", ["load", "load_all"])
    def test_a_proxy_page_is_not_taken_for_an_answer(self, distant: BlobStore, proxy: FaultyProxy, call: str) -> None:
        distant.save(position("0", 1))
        proxy.fail(200)
        with pytest.raises(Unreachable, match="did not answer as blob storage does"):
            distant.load_all() if call == "load_all" else distant.load("0")

    def test_a_wrong_key(self, blob: Azurite, container: str) -> None:
        wrong = re.sub("AccountKey=[^;]*", f"AccountKey={KEY}", blob.connection_string)
        for call in _all_calls(BlobStore(Secret(wrong), container, SCOPE)):
            with pytest.raises(Refused, match=r"403 .*check the key in checkpoints\.blob_connection_string") as refused:
                call()
            assert KEY not in "".join(traceback.format_exception(refused.value))

    def test_a_key_that_is_not_base64(self, blob: Azurite, container: str) -> None:
        wrong = re.sub("AccountKey=[^;]*", "AccountKey=abcde", blob.connection_string)
        with pytest.raises(Refused, match=r"checkpoints\.blob_connection_string"):
            BlobStore(Secret(wrong), container, SCOPE).check()

    def test_an_illegal_container(self, blob: Azurite) -> None:
        with pytest.raises(Refused, match=r"check checkpoints\.container"):
            BlobStore(Secret(blob.connection_string), "A_b", SCOPE).check()

    def test_a_signature_is_never_shown(self, proxy: FaultyProxy, container: str) -> None:
        text = f"BlobEndpoint=http://{proxy.address}/x;SharedAccessSignature=sv=2020-01-01&sig={KEY.replace('=', '')}"
        store = BlobStore(Secret(text), container, SCOPE)
        proxy.refuse()
        for call in _all_calls(store):
            with pytest.raises(Unreachable) as unreachable:
                call()
            assert KEY[:20] not in "".join(traceback.format_exception(unreachable.value))

    def test_a_container_deleted_under_way_is_made_again(self, opener: Opener, stock: BlobCheckpointStore) -> None:
        store = opener(SCOPE)
        store.save(position("0", 1))
        stock._container_client.delete_container()
        assert store.load("0") is None
        store.save(position("0", 2))
        assert without_time(store.load("0")) == position("0", 2)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", f"AccountKey={KEY}", "UseDevelopmentStorage=true"],
    ids=["empty", "nonsense", "key alone", "shortcut"],  # not by value: the key is another in every process
)
def test_an_unreadable_connection_string(text: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        BlobStore(Secret(text), "container", SCOPE)
    [problem] = wrong.value.problems
    assert problem.key == "checkpoints.blob_connection_string"
    assert KEY not in str(wrong.value)


def _names() -> dict[str, str]:
    return {
        "fully_qualified_namespace": SCOPE.namespace,
        "eventhub_name": SCOPE.event_hub,
        "consumer_group": SCOPE.consumer_group,
    }


def _stock_update(stock: BlobCheckpointStore, partition: str, offset: str | None, number: int | None) -> None:
    content: Any = {**_names(), "partition_id": partition, "offset": offset, "sequence_number": number}
    stock.update_checkpoint(content)


def _strings(key: str, endpoint: str) -> str:
    return f"AccountName=x;AccountKey={key};BlobEndpoint={endpoint}"
