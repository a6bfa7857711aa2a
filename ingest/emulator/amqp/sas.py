"""Shared access signatures: the tokens by which Azure IoT Hub and Event Hubs know their clients. Pure, clock passed in.

Source: "Control access to IoT Hub using shared access signatures" and "Authenticate access to Event Hubs resources
using shared access signatures", Microsoft Learn. What counts as the key differs and is up to the caller: Event Hubs
takes the UTF-8 bytes of the key text, IoT Hub the base64-decoded key.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote_plus, unquote, unquote_plus

from ingest.emulator.errors import Rejected

SCHEME = "SharedAccessSignature "


class BadToken(Rejected):
    """The token does not let its bearer in. `str()` says why; it never holds the token or a key."""

    def __init__(self, sentence: str, *, expired: bool = False) -> None:
        self.expired = expired
        super().__init__(sentence)


@dataclass(frozen=True)
class Claims:
    """What a verified token says."""

    resource: str
    """Decoded `sr`: the URI that the token opens, with everything below it."""
    policy: str | None
    """Decoded `skn`; None in a token that a device signed with its own key."""
    expiry: int
    """Seconds since 1970, UTC."""


def sign(resource: str, key: bytes, expiry: int, policy: str | None = None) -> str:
    """Make a token for `resource` (not yet URL-encoded) that holds until `expiry` (seconds since 1970)."""
    encoded = quote_plus(resource)
    signature = quote_plus(_signature(encoded, str(expiry), key))
    token = f"{SCHEME}sr={encoded}&sig={signature}&se={expiry}"
    return f"{token}&skn={quote_plus(policy)}" if policy else token


def verify(token: str, key_of: Callable[[str | None], bytes | None], now: float) -> Claims:
    """Check signature and expiry of `token` at `now` (seconds since 1970).

    `key_of` gives the key of a policy name (None: the token names none) or None for an unknown one.
    Whether the resource fits the request is left to the caller. Raises `BadToken`.
    """
    fields = _fields(token)
    policy = unquote_plus(fields["skn"]) if fields.get("skn") else None
    key = key_of(policy)
    if key is None:
        who = f"policy {policy!r} is not known here" if policy else "the token names no policy (skn)"
        raise BadToken(f"InvalidSignature: {who}.")
    expected = _signature(fields["sr"], fields["se"], key)
    if not hmac.compare_digest(expected.encode(), unquote(fields["sig"]).encode()):
        raise BadToken("InvalidSignature: the token has an invalid signature; was it signed with another key?")
    expiry = int(fields["se"])
    if expiry <= now:
        raise BadToken(f"ExpiredToken: the token expired {now - expiry:.0f} s ago.", expired=True)
    return Claims(unquote_plus(fields["sr"]), policy, expiry)


def _signature(encoded_resource: str, expiry: str, key: bytes) -> str:
    """The signed text takes the resource as encoded in the token: clients differ in how they encode the same URI."""
    text = f"{encoded_resource}\n{expiry}".encode()
    return base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()


def _fields(token: str) -> dict[str, str]:
    if not token.startswith(SCHEME) or not token.isascii():
        raise BadToken(f"MalformedToken: a token is ASCII text that starts with '{SCHEME}'.")
    fields: dict[str, str] = {}
    for part in token.removeprefix(SCHEME).split("&"):
        name, _, value = part.strip().partition("=")
        fields[name] = value
    missing = [name for name in ("sr", "sig", "se") if not fields.get(name)]
    if missing:
        raise BadToken(f"MalformedToken: the token lacks {', '.join(missing)}.")
    if not (fields["se"].isascii() and fields["se"].isdecimal() and len(fields["se"]) <= 18):
        raise BadToken("MalformedToken: 'se' is not a number of seconds since 1970.")
    return fields
