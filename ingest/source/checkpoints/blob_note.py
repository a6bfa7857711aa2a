"""One small blob in the checkpoints' container, for what is kept beside them."""

from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

from ingest.config import Checkpoints, Proxy
from ingest.errors import Unreachable
from ingest.hub.network import storage_client

_SECONDS = 4.0
_LARGEST_BYTES = 4096


class BlobNote:
    """`load`, `save`; each opens a connection of its own."""

    def __init__(self, settings: Checkpoints, name: str, proxy: Proxy) -> None:
        """Raises ValueError if the connection string cannot be read."""
        self._settings = settings
        self._name = f"ingest/{name}"
        self._proxy = proxy

    def load(self) -> bytes | None:
        """Returns None if there is none. Raises Unreachable."""
        try:
            with self._open() as store:
                blob = store._container_client.get_blob_client(self._name)
                content: bytes = blob.download_blob(offset=0, length=_LARGEST_BYTES).readall()
                return content
        except ResourceNotFoundError:
            return None
        except (AzureError, OSError, ValueError) as error:
            raise self._lost("read", error) from None

    def save(self, content: bytes) -> None:
        """Raises Unreachable."""
        try:
            with self._open() as store:
                store._container_client.get_blob_client(self._name).upload_blob(content, overwrite=True)
        except (AzureError, OSError, ValueError) as error:
            raise self._lost("written", error) from None

    def _open(self) -> Any:
        place = self._settings.blob_connection_string, self._settings.blob_account_url
        return storage_client.open_client(
            BlobCheckpointStore,
            *place,
            self._settings.container,
            retry_total=0,
            connection_timeout=_SECONDS,
            read_timeout=_SECONDS,
            **storage_client.options(storage_client.proxy_towards(place[0], self._proxy, place[1])),
        )

    def _lost(self, what: str, error: Exception) -> Unreachable:
        # Its text can quote a signature.
        return Unreachable(
            f"the blob {self._name} in {self._settings.container} cannot be {what} ({type(error).__name__})"
        )
