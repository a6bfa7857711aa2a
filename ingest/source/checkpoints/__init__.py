"""Where each partition's position is kept between runs."""

from typing import TYPE_CHECKING

from ingest.source.checkpoints.store import Checkpoint, CheckpointStore, Scope

if TYPE_CHECKING:
    from ingest.config import Checkpoints, Proxy

__all__ = ["Checkpoint", "CheckpointStore", "Scope", "open_store"]


def open_store(settings: "Checkpoints", scope: Scope, proxy: "Proxy | None" = None) -> CheckpointStore:
    """The store that `[checkpoints]` asks for, reached through `proxy`. Does no I/O: `check` proves that it works.

    Raises ConfigError if the blob connection string cannot be read.
    """
    if settings.store == "file":
        from ingest.source.checkpoints.file import FileCheckpointStore

        return FileCheckpointStore(settings.path, scope)
    # Imported late: the storage client costs megabytes that a node with file checkpoints need not spend.
    from ingest.source.checkpoints.blob import BlobStore

    leases = settings.legacy_leases == "read"
    return BlobStore(
        settings.blob_connection_string,
        settings.container,
        scope,
        account_url=settings.blob_account_url,
        leases=leases,
        proxy=proxy,
    )
