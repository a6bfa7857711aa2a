"""The checkpoints of a service as its store has them, read without the service's own code."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import ContainerClient

Look = Callable[[], Mapping[str, int]]
"""Returns partition → sequence number of its checkpoint, as the store has it now; empty if the store does not answer."""
_STORE_SECONDS = 3


def in_folder(folder: Path) -> Look:
    """Of the store "file"."""

    def look() -> dict[str, int]:
        files = [json.loads(path.read_bytes()) for path in folder.rglob("*.json")]
        return {str(each["partition"]): int(each["sequence_number"]) for each in files}

    return look


def in_container(connection_string: str, container: str) -> Look:
    """Of the store "blob"; makes the container."""
    client = ContainerClient.from_connection_string(
        connection_string, container, retry_total=0, connection_timeout=_STORE_SECONDS, read_timeout=_STORE_SECONDS
    )
    client.create_container()

    def look() -> dict[str, int]:
        try:
            found = [(str(each.name), each.metadata) for each in client.list_blobs(include=["metadata"])]
        except AzureError:
            return {}
        marked = [(name.rpartition("/checkpoint/"), metadata) for name, metadata in found]
        return {partition: int(metadata["sequencenumber"]) for (_, mark, partition), metadata in marked if mark}

    return look
