"""Checkpoints in Azure Blob Storage, in the layout of the Event Hubs SDKs, so that any of their clients can take over.

One empty blob per partition, `<namespace>/<event hub>/<consumer group>/checkpoint/<partition>`, all lower-case, with
metadata `offset` and `sequencenumber` (azure-eventhub-checkpointstoreblob, `_blobstoragecs.py`). If a Go or Rust
processor has left a blob with the names' own case, both are written, as those processors would not find the other.
Ownership blobs lie beside them and are never touched.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

from ingest.config import Proxy
from ingest.config.values import Secret
from ingest.errors import ConfigError, Problem, Refused, Unreachable
from ingest.hub.auth.contract import STORAGE, NoToken
from ingest.hub.network import storage_client
from ingest.hub.network.faults import REFUSALS
from ingest.source.checkpoints.folders import Folders
from ingest.source.checkpoints.foreign import position_of, time_in
from ingest.source.checkpoints.lease import LARGEST_BYTES, position_in
from ingest.source.checkpoints.store import WHATEVER, Before, Changed, Checkpoint, Damaged, Scope, reset_command

_CONNECT_SECONDS = 4.0
_READ_SECONDS = 8.0

_UNKNOWN_SEQUENCE_NUMBER = -1
"""The SDK writes None as the text "None", and then fails to list every checkpoint of the scope. It reads -1 well, and
resumes by offset alone."""
_HUB_CREATED = "ingesthubcreated"
"""Our own metadata beside the SDKs' two; other clients ignore it, and drop it with their next write."""

_ANOTHER_STATE = {"ConditionNotMet", "TargetConditionNotMet", "BlobAlreadyExists", "BlobNotFound"}
"""Error codes of a blob that is not in the state that we know."""

_PASSING_STATUS = {408, 409, 412, 429}
"""4xx answers that pass: time-out, container being deleted, lease held by another, too many requests."""

_BAD_CONNECTION_STRING = Problem(
    "checkpoints.blob_connection_string",
    "***",
    "this is not the connection string of a storage account: copy it from the portal, Storage account, Access keys "
    "(Azurite: write it out with BlobEndpoint, the shortcut UseDevelopmentStorage=true is not known here)",
)

_Blob = tuple[str, Mapping[str, str], float, str]
"""Name, metadata, when it was saved, ETag."""
_NO_TAG: dict[str, str] = {}

logger = logging.getLogger(__name__)


class BlobStore:
    """A `CheckpointStore` in one container of a storage account.

    Costs in storage operations: `load` 3 List Blobs and 1 Get Blob Properties, `load_all` 4 List Blobs (and 1 more for
    every 5,000 partitions), `save` 1, and a `load` if another process has written, `delete` 3 List Blobs and 1. One
    more for each blob with kept case. `load_all`, and `load` without a checkpoint, also search for leases: 1 List Blobs
    per folder of the container.
    """

    def __init__(
        self,
        connection_string: Secret,
        container: str,
        scope: Scope,
        *,
        account_url: str = "",
        leases: bool = True,
        proxy: Proxy | None = None,
    ) -> None:
        """Does no I/O. `account_url`: where the identity's token goes, without a connection string. `leases`: whether
        `load` takes an old Event Processor Host's position without a checkpoint. Raises ConfigError for a bad string."""
        try:
            self._proxy = storage_client.proxy_towards(connection_string, proxy or Proxy(), account_url)
            # The client's own retries would hold a failing save for about a minute (15 + 18 + 24 s).
            self._store = storage_client.open_client(
                BlobCheckpointStore,
                connection_string,
                account_url,
                container,
                retry_total=0,
                connection_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                **storage_client.options(self._proxy),
            )
        except ValueError:
            raise ConfigError([_BAD_CONNECTION_STRING]) from None
        # The only way to read one checkpoint, to delete one and to create the container with the same credentials.
        # Private: the package is pinned to a minor version.
        self._client = self._store._container_client
        self._folders = Folders(self._client, scope)
        self._folder = self._folders.folded
        self._leases = leases
        self._twins: dict[str, list[str]] = {}
        """Partition → its blobs with kept case, as `load` found them."""
        self._by_key = bool(connection_string) or not account_url
        self._place = f"blob container {container!r} at {self._client.primary_hostname}"

    def check(self) -> None:
        with self._failures():
            try:
                self._client.get_blob_client(f"{self._folder}/write-check").set_blob_metadata({})
            except ResourceNotFoundError as answer:
                # The requested state never exists: this answer proves the permission to write, and nothing was written.
                if _code(answer) == "ContainerNotFound":
                    self._create_container()
            next(iter(self._client.list_blobs(name_starts_with=self._folder, results_per_page=1)), None)

    def load(self, partition: str) -> Checkpoint | None:
        with self._failures():
            try:
                found = self._found(partition)
                if found is None and self._leases:
                    return self._from_lease(partition, self._folders.leases().get(partition))
            except ResourceNotFoundError:  # not even the container
                return None
        return found

    def _found(self, partition: str) -> Checkpoint | None:
        """Returns the partition's newest checkpoint; raises what the client raises."""
        found = [
            (name, properties.metadata, properties.last_modified.timestamp(), properties.etag)
            for name in self._blobs(partition)
            if (properties := self._properties(name)) is not None
        ]
        self._twins[partition] = [name for name, *_ in found if name != self._blob(partition)]
        return self._newest(partition, found) if found else None

    def load_all(self, damaged: list[Damaged] | None = None) -> list[Checkpoint]:
        found: dict[str, list[_Blob]] = {}
        checkpoints: list[Checkpoint | None] = []
        with self._failures():
            try:
                for place in self._folders.of_scope():
                    folder = f"{place}/checkpoint/"
                    for blob in self._client.list_blobs(name_starts_with=folder, include=["metadata"]):
                        partition = blob.name.removeprefix(folder)
                        found.setdefault(partition, []).append(
                            (blob.name, blob.metadata, blob.last_modified.timestamp(), blob.etag)
                        )
                names = self._folders.leases() if self._leases else {}
                reads: list[Callable[[], Checkpoint | None]]
                reads = [partial(self._newest, partition, blobs) for partition, blobs in found.items()]
                reads += [partial(self._from_lease, each, names[each]) for each in names if each not in found]
                for read in reads:
                    try:
                        checkpoints.append(read())
                    except Damaged as one:
                        if damaged is None:
                            raise
                        damaged.append(one)
            except ResourceNotFoundError:
                return []
        return sorted((each for each in checkpoints if each), key=lambda each: (len(each.partition), each.partition))

    def save(self, checkpoint: Checkpoint, over: Before = WHATEVER) -> Checkpoint:
        number = checkpoint.sequence_number
        metadata = {
            "offset": checkpoint.offset or "",
            "sequencenumber": str(_UNKNOWN_SEQUENCE_NUMBER if number is None else number),
        }
        if checkpoint.hub_created_ms is not None:
            metadata[_HUB_CREATED] = str(checkpoint.hub_created_ms)
        partition = checkpoint.partition
        names = [*self._twins.get(partition, ()), self._blob(partition)]
        tag = _NO_TAG if over is None else WHATEVER if over is WHATEVER else over.tag
        with self._failures():
            try:
                written = {name: self._write(name, metadata, tag) for name in names}
            except ResourceNotFoundError as answer:
                if _code(answer) != "ContainerNotFound" or tag not in (_NO_TAG, WHATEVER):
                    raise self._changed(partition, answer) from None
                self._create_container()
                written = {names[-1]: self._write(names[-1], metadata, tag)}
            except (ResourceExistsError, ResourceModifiedError) as answer:
                raise self._changed(partition, answer) from None
        kept = {name: etag for name, etag in written.items() if etag is not None}
        self._twins[partition] = [name for name in kept if name != names[-1]]
        return replace(checkpoint, lease=False, place=names[-1], tag=kept)

    def _write(self, name: str, metadata: dict[str, str], tag: Any) -> str | None:
        """`tag`: names of the existing blobs, with their ETags. Returns the ETag; None if another client removed its
        blob."""
        blob = self._client.get_blob_client(name)
        ours = name.startswith(f"{self._folder}/")
        known = None if tag is WHATEVER else tag.get(name)
        if tag is not WHATEVER and ours and known is None:
            # Only with Put Blob exactly one of several succeeds: Azurite lets Set Blob Metadata pass if there is one.
            return _etag(blob.upload_blob(b"", overwrite=False, metadata=metadata))
        match: dict[str, Any] = {}
        if known is not None:
            match = {"etag": known, "match_condition": MatchConditions.IfNotModified}
        try:
            return _etag(blob.set_blob_metadata(metadata, **match))
        except ResourceNotFoundError as answer:
            if not ours:
                return None
            if known is not None or _code(answer) == "ContainerNotFound":
                raise
            return _etag(blob.upload_blob(b"", overwrite=True, metadata=metadata))

    def _changed(self, partition: str, answer: HttpResponseError) -> Exception:
        """Returns what a refused save means: another state, unless the answer says something else."""
        if _code(answer) not in {*_ANOTHER_STATE, "ContainerNotFound"}:
            return answer
        try:
            return Changed(partition, self._found(partition))
        except ResourceNotFoundError:
            return Changed(partition, None)
        except Damaged as damaged:
            return Changed(partition, None, str(damaged))

    def delete(self, partition: str) -> None:
        with self._failures():
            try:
                for blob in self._blobs(partition):
                    with suppress(ResourceNotFoundError):
                        self._client.delete_blob(blob)
            except ResourceNotFoundError:  # not even the container
                return

    def close(self) -> None:
        self._store.close()

    def _blob(self, partition: str) -> str:
        return f"{self._folder}/checkpoint/{partition.lower()}"

    def _blobs(self, partition: str) -> list[str]:
        """Returns every name that the partition's checkpoint can have; ours is the first."""
        return [f"{folder}/checkpoint/{partition.lower()}" for folder in self._folders.of_scope()]

    def _properties(self, blob: str) -> Any:
        try:
            return self._client.get_blob_client(blob).get_blob_properties()
        except ResourceNotFoundError as answer:
            if _code(answer) == "ContainerNotFound":
                raise
            return None

    def _create_container(self) -> None:
        try:
            self._client.create_container()
        except ResourceExistsError as answer:
            # Another process was faster; "being deleted" has the same class and must not count as success.
            if _code(answer) != "ContainerAlreadyExists":
                raise

    def _newest(self, partition: str, blobs: Sequence["_Blob"]) -> Checkpoint:
        """Returns the last saved of a partition's blobs; of two in the same second, the one that is further on. An
        unreadable position is ignored if there is another one: at worst, events come again."""
        readable, damaged = [], []
        tag = {name: etag for name, _, _, etag in blobs}
        for name, metadata, saved, _ in blobs:
            offset, number = position_of(metadata)
            if offset is None and number is None:
                damaged.append(f"checkpoint blob {name} in {self._place} holds no position ({_shown(metadata)})")
            else:
                created = time_in(_folded(metadata).get(_HUB_CREATED, ""))
                readable.append(Checkpoint(partition, offset, number, saved, name, hub_created_ms=created, tag=tag))
        if not readable:
            raise Damaged(
                partition,
                f"{damaged[0]}: set its metadata right, or delete it so that partition {partition} starts over at "
                f"source.start: {reset_command(partition)}",
            )
        newest = max(readable, key=_age)
        for sentence in damaged:
            logger.warning("Partition %s: %s; %s is read instead.", partition, sentence, newest.place)
        return newest

    def _from_lease(self, partition: str, names: Sequence[str] | None) -> Checkpoint | None:
        """`names`: the blobs that can be the lease, normally one."""
        if not names:
            return None
        if len(names) > 1:
            raise self._unreadable(partition, " and ".join(sorted(names)[:3]), "one of them must be the right one")
        [name] = names
        blob = self._client.get_blob_client(name)
        properties = blob.get_blob_properties()
        length = min(properties.size, LARGEST_BYTES + 1)
        # The service refuses any range of an empty blob.
        content = blob.download_blob(offset=0, length=length).readall() if length else b""
        try:
            position = position_in(content, partition)
        except ValueError as wrong:
            raise self._unreadable(partition, name, str(wrong)) from None
        if position is None:
            logger.info(
                "Partition %s: the lease %s of an old Event Processor Host holds no position yet.", partition, name
            )
            return None
        return Checkpoint(partition, *position, properties.last_modified.timestamp(), name, lease=True)

    def _unreadable(self, partition: str, names: str, why: str) -> Damaged:
        return Damaged(
            partition,
            f"partition {partition} has no checkpoint, and {names} in {self._place} looks like the lease of an old Event "
            f"Processor Host but cannot be read ({why}): mend it or move it away, or start with --ignore-legacy-leases "
            '(checkpoints.legacy_leases = "ignore"), and the partition begins at source.start',
            lease=True,
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turns the client's errors into ours. Their texts and chains are dropped: they can quote a signature."""
        try:
            yield
        except NoToken as lacks:
            raise (Refused if lacks.refused else Unreachable)(f"{self._place}: {lacks}") from None
        except HttpResponseError as answer:
            if answer.status_code is not None:
                raise self._answered(answer.status_code, _code(answer)) from None
            if isinstance(answer, ClientAuthenticationError):  # the request could not even be signed
                raise Refused(str(_BAD_CONNECTION_STRING)) from None
            raise self._nonsense() from None
        except (AttributeError, LookupError, TypeError, ValueError):
            # What the client raises for a page that is not from blob storage at all.
            raise self._nonsense() from None
        except (AzureError, OSError) as failed:
            fault = storage_client.fault(failed, self._proxy, self._client.primary_hostname.partition("/")[0])
            if fault is not None:
                kind = Refused if fault.hop in REFUSALS else Unreachable
                raise kind(f"{self._place} cannot be reached: {fault}") from None
            key = _BAD_CONNECTION_STRING.key if self._by_key else "checkpoints.blob_account_url"
            raise Unreachable(
                f"{self._place} cannot be reached ({_root_cause(failed)}): check the network and the account's name in {key}"
            ) from None

    def _nonsense(self) -> Unreachable:
        return Unreachable(f"{self._place} did not answer as blob storage does: is there a proxy between?")

    def _answered(self, status: int, code: str) -> Refused | Unreachable:
        said = f"{self._place} answered {status} {code}".rstrip()
        if status >= 500 or status in _PASSING_STATUS:
            return Unreachable(f"{said}: it is busy or held by another, wait")
        if status in {401, 403} and not self._by_key:
            return Refused(
                f"{said}: give the identity the role {STORAGE.role} on the container (portal → Storage account → Access "
                "Control), and check that the account's network rules let this machine in"
            )
        if status in {401, 403}:
            return Refused(
                f"{said}: check the key in {_BAD_CONNECTION_STRING.key} (a SAS must allow read, write, create, delete, "
                "list), this machine's clock, and that the account's network rules let this machine in"
            )
        return Refused(f"{said}: check checkpoints.container, and that the account is one for block blobs")


def _age(checkpoint: Checkpoint) -> tuple[int, int]:
    """Returns the sort key for the newer of two checkpoints. Times of blobs are whole seconds."""
    number = checkpoint.sequence_number
    return int(checkpoint.time or 0), -1 if number is None else number


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["etag"])


def _folded(metadata: Mapping[str, str] | None) -> dict[str, str]:
    return {key.lower(): value for key, value in (metadata or {}).items()}


def _shown(metadata: Mapping[str, str] | None) -> str:
    fields = _folded(metadata)
    return f"offset {fields.get('offset', '')!r:.100}, sequencenumber {fields.get('sequencenumber', '')!r:.100}"


def _code(answer: HttpResponseError) -> str:
    """Returns the service's own error code, such as `ContainerNotFound`; empty if it gave none."""
    code = getattr(answer, "error_code", None) or ""
    return str(getattr(code, "value", code))


def _root_cause(failed: BaseException) -> str:
    """Returns what the operating system said, without the texts of the HTTP client's layers, which quote URLs."""
    cause: BaseException | None = failed
    kind = type(failed).__name__
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        kind = type(cause).__name__
        cause = getattr(cause, "inner_exception", None) or cause.__cause__ or cause.__context__
    return kind
