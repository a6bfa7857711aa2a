"""Checkpoints in Azure Blob Storage, in the layout of the Event Hubs SDKs, so that any of their clients can take over.

One empty blob per partition, `<namespace>/<event hub>/<consumer group>/checkpoint/<partition>`, all lower-case, with
metadata `offset` and `sequencenumber` (azure-eventhub-checkpointstoreblob, `_blobstoragecs.py`). Ownership blobs are
beside them and never touched here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

from ingest.config_values import Secret
from ingest.errors import ConfigError, Problem, Refused, Unreachable
from ingest.source.checkpoints.store import Checkpoint, Scope

_CONNECT_SECONDS = 4.0
_READ_SECONDS = 8.0

_UNKNOWN_SEQUENCE_NUMBER = -1
"""The SDK writes None as the text "None", and then fails to list every checkpoint of the scope. It reads -1 well, and
resumes by offset alone."""

_PASSING_STATUS = {408, 409, 412, 429}
"""Of the 4xx answers: time-out, container being deleted, lease held by another, too many requests."""

_BAD_CONNECTION_STRING = Problem(
    "checkpoints.blob_connection_string",
    "***",
    "this is not the connection string of a storage account: copy it from the portal, Storage account, Access keys "
    "(Azurite: write it out with BlobEndpoint, the shortcut UseDevelopmentStorage=true is not known here)",
)


class BlobStore:
    """A `CheckpointStore` in one container of a storage account.

    Costs in storage operations: `load` 1 (Get Blob Properties), `load_all` 1 List Blobs per 5,000 partitions, `save` 1
    (2 for a partition's first), `delete` 1.
    """

    def __init__(self, connection_string: Secret, container: str, scope: Scope) -> None:
        """Does no I/O. Raises ConfigError if the connection string cannot be read."""
        try:
            # The client's own retries would hold a failing save for about a minute (15 + 18 + 24 s).
            self._store = BlobCheckpointStore.from_connection_string(
                connection_string.reveal(),
                container,
                retry_total=0,
                connection_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
            )
        except ValueError:
            raise ConfigError([_BAD_CONNECTION_STRING]) from None
        # The only way to read one checkpoint, to delete one and to create the container with the same credentials.
        # Private: the package is pinned to a minor version.
        self._client = self._store._container_client
        self._scope = {
            "fully_qualified_namespace": scope.namespace,
            "eventhub_name": scope.event_hub,
            "consumer_group": scope.consumer_group,
        }
        self._folder = "/".join(self._scope.values()).lower()
        self._place = f"blob container {container!r} at {self._client.primary_hostname}"

    def check(self) -> None:
        with self._failures():
            try:
                self._client.get_blob_client(f"{self._folder}/write-check").set_blob_metadata({})
            except ResourceNotFoundError as answer:
                # What is asked for never exists: this answer proves the permission to write, and nothing was written.
                if _code(answer) == "ContainerNotFound":
                    self._create_container()
            next(iter(self._client.list_blobs(name_starts_with=self._folder, results_per_page=1)), None)

    def load(self, partition: str) -> Checkpoint | None:
        with self._failures():
            try:
                found = self._client.get_blob_client(self._blob(partition)).get_blob_properties()
            except ResourceNotFoundError:
                return None
            saved = found.last_modified.timestamp()
        return self._parsed(partition, found.metadata, saved)

    def load_all(self) -> list[Checkpoint]:
        folder = self._blob("")
        with self._failures():
            try:
                found = list(self._client.list_blobs(name_starts_with=folder, include=["metadata"]))
            except ResourceNotFoundError:
                return []
        checkpoints = [
            self._parsed(blob.name.removeprefix(folder), blob.metadata, blob.last_modified.timestamp())
            for blob in found
        ]
        return sorted(checkpoints, key=lambda each: (len(each.partition), each.partition))

    def save(self, checkpoint: Checkpoint) -> None:
        number = checkpoint.sequence_number
        content: dict[str, str | int] = {
            **self._scope,
            "partition_id": checkpoint.partition,
            "offset": checkpoint.offset or "",
            "sequence_number": _UNKNOWN_SEQUENCE_NUMBER if number is None else number,
        }
        with self._failures():
            try:
                self._store.update_checkpoint(content)
            except ResourceNotFoundError as answer:
                if _code(answer) != "ContainerNotFound":
                    raise
                self._create_container()
                self._store.update_checkpoint(content)

    def delete(self, partition: str) -> None:
        with self._failures():
            try:
                self._client.delete_blob(self._blob(partition))
            except ResourceNotFoundError:
                return

    def close(self) -> None:
        self._store.close()

    def _blob(self, partition: str) -> str:
        return f"{self._folder}/checkpoint/{partition.lower()}"

    def _create_container(self) -> None:
        try:
            self._client.create_container()
        except ResourceExistsError as answer:
            # Another process was faster; "being deleted" is the same class and must not pass for success.
            if _code(answer) != "ContainerAlreadyExists":
                raise

    def _parsed(self, partition: str, metadata: Mapping[str, str], saved: float) -> Checkpoint:
        fields = {key.lower(): value for key, value in metadata.items()}
        offset = fields.get("offset", "")
        number = fields.get("sequencenumber", "")
        checkpoint = Checkpoint(
            partition,
            offset if offset not in ("", "None") else None,
            int(number) if number.isascii() and number.isdecimal() else None,
            saved,
        )
        if checkpoint.offset is None and checkpoint.sequence_number is None:
            raise Refused(
                f"checkpoint blob {self._blob(partition)} in {self._place} holds no position (offset {offset!r}, "
                f"sequencenumber {number!r}): set its metadata right, or delete it so that partition {partition} "
                "starts over at source.start"
            )
        return checkpoint

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turns the client's errors into ours. Their texts and chains are dropped: they may quote a signature."""
        try:
            yield
        except HttpResponseError as answer:
            if answer.status_code is not None:
                raise self._answered(answer.status_code, _code(answer)) from None
            if isinstance(answer, ClientAuthenticationError):  # the request could not even be signed
                raise Refused(str(_BAD_CONNECTION_STRING)) from None
            raise self._nonsense() from None
        except (AttributeError, LookupError, TypeError, ValueError):
            # How the client takes a page that is not from blob storage at all.
            raise self._nonsense() from None
        except (AzureError, OSError) as failed:
            raise Unreachable(
                f"{self._place} cannot be reached ({_root_cause(failed)}): check the network and the account's name in "
                f"{_BAD_CONNECTION_STRING.key}"
            ) from None

    def _nonsense(self) -> Unreachable:
        return Unreachable(f"{self._place} did not answer as blob storage does: is there a proxy between?")

    def _answered(self, status: int, code: str) -> Refused | Unreachable:
        said = f"{self._place} answered {status} {code}".rstrip()
        if status >= 500 or status in _PASSING_STATUS:
            return Unreachable(f"{said}: it is busy or held by another, wait")
        if status in {401, 403}:
            return Refused(
                f"{said}: check the key in {_BAD_CONNECTION_STRING.key} (a SAS must allow read, write, create, delete, "
                "list), this machine's clock, and that the account's network rules let this machine in"
            )
        return Refused(f"{said}: check checkpoints.container, and that the account is one for block blobs")


def _code(answer: HttpResponseError) -> str:
    """The service's own error code, such as `ContainerNotFound`; empty if it gave none."""
    code = getattr(answer, "error_code", None) or ""
    return str(getattr(code, "value", code))


def _root_cause(failed: BaseException) -> str:
    """What the operating system said, from under the layers of HTTP client, whose own texts quote URLs."""
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
