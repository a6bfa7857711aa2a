"""Tokens of a hub's policies: shared access signatures. Pure."""

import base64
import hashlib
import hmac
from urllib.parse import quote_plus

from ingest.config.connection_strings import IotHubAddress


def iot_hub_token(hub: IotHubAddress, expires: int) -> str:
    """A token for everything that the policy of the service side allows, until `expires`, Unix seconds."""
    resource = quote_plus(hub.host)
    key = base64.b64decode(hub.key.reveal())
    digest = hmac.digest(key, f"{resource}\n{expires}".encode(), hashlib.sha256)
    signature = quote_plus(base64.b64encode(digest).decode())
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={quote_plus(hub.policy)}"
