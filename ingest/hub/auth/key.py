"""Tokens of a hub's policies, signed with a key: shared access signatures. Pure, but for the clock."""

import base64
import hashlib
import hmac
import time
from urllib.parse import quote_plus

from ingest.config.connection_strings import EventHubAddress, IotHubAddress
from ingest.hub.auth.contract import Token

TOKEN_SECONDS = 3_600


def iot_hub_token(hub: IotHubAddress, expires: int) -> str:
    """A token for everything that the policy of the service side allows, until `expires`, Unix seconds."""
    return _token(hub.host, base64.b64decode(hub.key.reveal()), hub.policy, expires)


def event_hub_token(hub: EventHubAddress, resource: str, expires: int) -> str:
    """A token for what the policy allows with `resource` and all that is within it, until `expires`, Unix seconds."""
    return _token(resource, hub.key.reveal().encode(), hub.policy, expires)


def new_iot_hub_token(hub: IotHubAddress) -> Token:
    """Returns a token that is made now. uamqp, whose frames ours are like, does not tell when one runs out."""
    expires, seconds = _from_now()
    return Token(iot_hub_token(hub, expires), seconds)


def new_event_hub_token(hub: EventHubAddress, resource: str) -> Token:
    """Returns a token that is made now."""
    expires, seconds = _from_now()
    return Token(event_hub_token(hub, resource, expires), seconds, expires)


def _from_now() -> tuple[int, float]:
    now = time.time()
    expires = int(now) + TOKEN_SECONDS
    return expires, expires - now


def _token(resource: str, key: bytes, policy: str, expires: int) -> str:
    quoted = quote_plus(resource)
    signature = quote_plus(base64.b64encode(hmac.digest(key, f"{quoted}\n{expires}".encode(), hashlib.sha256)))
    return f"SharedAccessSignature sr={quoted}&sig={signature}&se={expires}&skn={quote_plus(policy)}"
