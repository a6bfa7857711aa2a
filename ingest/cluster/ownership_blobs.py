"""The ownership blobs of the Event Hubs processors of all languages: one for each partition, beside its checkpoint.

`<namespace>/<event hub>/<consumer group>/ownership/<partition>` in lower case, without content; the metadata `ownerid` names the
owner, or is empty. Who claims or renews writes it anew, and only over the state that it has read (ETag).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

from ingest.cluster.balance import Ownership
from ingest.config import Checkpoints, Proxy
from ingest.errors import Unreachable
from ingest.hub.network import storage_client

_SECONDS: Final = 4.0
"""For a connection, and for an answer."""
_OWNER: Final = "ownerid"
_NUMBER: Final = "sequencenumber"


class OwnershipBlobs:
    """`read`, `claim`, `sequence_numbers`; one thread calls them. Each tries once. Every method raises Unreachable."""

    def __init__(self, settings: Checkpoints, proxy: Proxy, folder: str) -> None:
        """`folder`: namespace, event hub and consumer group, as in the blobs' names. Does no I/O."""
        place = settings.blob_connection_string, settings.blob_account_url
        self._store = storage_client.open_client(
            BlobCheckpointStore,
            *place,
            settings.container,
            retry_total=0,
            connection_timeout=_SECONDS,
            read_timeout=_SECONDS,
            **storage_client.options(storage_client.proxy_towards(place[0], proxy, place[1])),
        )
        # The store's own claim of a new partition is not exclusive everywhere, and its answers have no service's time.
        self._client = self._store._container_client
        self._folder = f"{folder}/ownership/".lower()
        self._checkpoints = f"{folder}/checkpoint/".lower()
        self._container = settings.container

    def read(self) -> dict[str, Ownership]:
        """Returns partition → what its blob says. Ages are by the service's clock alone, in whole seconds."""
        times: list[datetime] = []

        def hear(answer: Any) -> None:
            date = answer.http_response.headers.get("Date")
            if date:
                times.append(parsedate_to_datetime(date))

        with self._failures("read"):
            blobs = list(
                self._client.list_blobs(name_starts_with=self._folder, include=["metadata"], raw_response_hook=hear)
            )
        if blobs and not times:
            raise Unreachable(f"the answer about the ownership blobs in {self._container} has no date")
        found = {}
        for blob in blobs:
            metadata = {key.lower(): value for key, value in (blob.metadata or {}).items()}
            age = (times[-1] - blob.last_modified).total_seconds()
            found[blob.name.removeprefix(self._folder)] = Ownership(metadata.get(_OWNER) or "", age, blob.etag)
        return found

    def claim(self, partition: str, owner: str, over: Ownership | None) -> Ownership | None:
        """Makes `owner` the partition's owner, if its blob is still in the state `over`; None: if there is none. Returns the
        new state; None if it was in another state."""
        blob = self._client.get_blob_client(f"{self._folder}{partition}")
        try:
            with self._failures("written"):
                if over is None:
                    # Only with Put Blob exactly one of several succeeds: Azurite lets Set Blob Metadata pass if there is one.
                    answer = blob.upload_blob(b"", overwrite=False, metadata={_OWNER: owner})
                else:
                    answer = blob.set_blob_metadata(
                        {_OWNER: owner}, etag=over.etag, match_condition=MatchConditions.IfNotModified
                    )
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            return None
        return Ownership(owner, 0.0, str(answer["etag"]))

    def sequence_numbers(self) -> dict[str, int]:
        """Returns partition → sequence number of its checkpoint, of whoever writes it; none of those that have none."""
        found = {}
        with self._failures("read"):
            for blob in self._client.list_blobs(name_starts_with=self._checkpoints, include=["metadata"]):
                metadata = {key.lower(): value for key, value in (blob.metadata or {}).items()}
                with suppress(ValueError):
                    found[blob.name.removeprefix(self._checkpoints)] = int(metadata.get(_NUMBER) or "")
        return found

    def close(self) -> None:
        self._store.close()

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            raise
        except (AzureError, OSError, ValueError) as error:
            # Its text can quote a signature.
            status = f", status {error.status_code}" if isinstance(error, HttpResponseError) else ""
            raise Unreachable(
                f"the ownership blobs in {self._container} cannot be {what} ({type(error).__name__}{status})"
            ) from None
