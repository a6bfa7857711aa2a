"""Checkpoints in blob storage as every other Event Hubs client reads and writes them: by Microsoft's own class."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore
from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import (
    ContainerClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from ingest.emulator import Emulator


class StockStore:
    """A container of its own, and the checkpoints of `hub`'s `$Default` group in it. Use as a `with` block."""

    def __init__(self, hub: Emulator, connection_string: str, namespace: str = "") -> None:
        """`namespace` as the clients see it; that of a plain connection, if not given."""
        self.container = f"faults-{uuid.uuid4().hex}"
        self._scope = {
            "fully_qualified_namespace": namespace or hub.endpoints.amqp.removeprefix("amqp://"),
            "eventhub_name": hub.hub.name,
            "consumer_group": "$Default",
        }
        with ContainerClient.from_connection_string(connection_string, self.container) as client:
            client.create_container()
        self._store = BlobCheckpointStore.from_connection_string(connection_string, self.container)

    def signed_url(self) -> str:
        """The container's address with a signature that is good for an hour: for clients without account keys."""
        client = self._store._container_client
        signature = generate_container_sas(
            client.account_name,
            self.container,
            client.credential.account_key,
            permission=ContainerSasPermissions(read=True, write=True, list=True, create=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        return f"{client.url}?{signature}"

    def write(self, partition: str, offset: str, sequence_number: int) -> None:
        self._store.update_checkpoint(
            {**self._scope, "partition_id": partition, "offset": offset, "sequence_number": sequence_number}
        )

    def sequence_numbers(self) -> Mapping[str, int]:
        """Partition → sequence number of its checkpoint."""
        found: Any = self._store.list_checkpoints(**self._scope)
        return {each["partition_id"]: each["sequence_number"] for each in found}

    def lowest_sequence_numbers(self) -> Mapping[str, int]:
        """The same over all checkpoints in the container, the lowest of each partition: some clients keep the case of
        names in the path, others do not, and a partition may have one of either kind."""
        found: dict[str, int] = {}
        for each in self._store._container_client.list_blobs(include=["metadata"]):
            _, is_checkpoint, partition = str(each.name).rpartition("/checkpoint/")
            if is_checkpoint:
                number = int(each.metadata["sequencenumber"])
                found[partition] = min(number, found.get(partition, number))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._store._container_client.close()
