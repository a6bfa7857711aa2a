"""Tokens of a hub's policies, signed with a key: shared access signatures. Pure, but for the clock."""

import base64
import hashlib
import hmac
import time
from urllib.parse import quote_plus

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.auth.contract import Token

TOKEN_SECONDS = 3_600


def iot_hub_token(hub: IotHubAddress, expires: int) -> str:
    """Returns a token for everything that the policy of the service side allows, until `expires`, Unix seconds."""
    resource = quote_plus(hub.host)
    key = base64.b64decode(hub.key.reveal())
    digest = hmac.digest(key, f"{resource}\n{expires}".encode(), hashlib.sha256)
    signature = quote_plus(base64.b64encode(digest).decode())
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={quote_plus(hub.policy)}"


def service_token(hub: IotHubAddress) -> Token:
    """Returns a new token of the policy."""
    now = time.time()
    expires = int(now) + TOKEN_SECONDS
    return Token(iot_hub_token(hub, expires), expires - now)
