"""Tokens of a hub's policies: shared access signatures. Pure."""

import base64
import hashlib
import hmac
from urllib.parse import quote_plus

from ingest.config.connection_strings import EventHubAddress, IotHubAddress


def iot_hub_token(hub: IotHubAddress, expires: int) -> str:
    """A token for everything that the policy of the service side allows, until `expires`, Unix seconds."""
    return _token(hub.host, base64.b64decode(hub.key.reveal()), hub.policy, expires)


def event_hub_token(hub: EventHubAddress, resource: str, expires: int) -> str:
    """A token for what the policy allows with `resource` and all that is within it, until `expires`, Unix seconds."""
    return _token(resource, hub.key.reveal().encode(), hub.policy, expires)


def _token(resource: str, key: bytes, policy: str, expires: int) -> str:
    quoted = quote_plus(resource)
    signature = quote_plus(base64.b64encode(hmac.digest(key, f"{quoted}\n{expires}".encode(), hashlib.sha256)))
    return f"SharedAccessSignature sr={quoted}&sig={signature}&se={expires}&skn={quote_plus(policy)}"
