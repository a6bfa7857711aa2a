"""Tokens of Microsoft Entra ID, as far as an emulator can look at them: audience and expiry, not the signature.

Source: "Authenticate an application with Microsoft Entra ID to access Event Hubs resources" and "Control access to IoT Hub
by using Microsoft Entra ID", Microsoft Learn.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final

from ingest.emulator.amqp.sas import BadToken

EVENT_HUBS: Final = "https://eventhubs.azure.net"
IOT_HUB: Final = "https://iothubs.azure.net"
IOT_HUB_SCOPE: Final = f"{IOT_HUB}/.default"
"""What a client of IoT Hub names as the audience of its claim, instead of the host."""
BEARER: Final = "Bearer "


@dataclass(frozen=True)
class JwtClaims:
    """What a token says."""

    audience: str
    """Without a slash at its end."""
    expiry: float
    """Unix seconds."""


def read(token: str, audience: str, now: float) -> JwtClaims:
    """Checks a token's audience and times at `now`, Unix seconds. Raises BadToken."""
    claims = _payload(token)
    aud, exp, nbf = claims.get("aud"), _time(claims.get("exp")), _time(claims.get("nbf", 0))
    if not isinstance(aud, str) or exp is None or nbf is None:
        raise BadToken("MalformedToken: aud, exp or nbf is missing, or is none.")
    if aud.rstrip("/") != audience:
        raise BadToken(f"InvalidAudience: the token is for '{aud}', not for '{audience}'.")
    if exp <= now:
        raise BadToken(f"ExpiredToken: the token expired {now - exp:.0f} s ago.", expired=True)
    if nbf > now:
        raise BadToken(f"InvalidToken: the token is valid from {nbf - now:.0f} s on; compare the clocks.")
    return JwtClaims(audience, exp)


def is_jwt(token: str) -> bool:
    """Whether this is meant as a token of Entra, not as a shared access signature."""
    return token.count(".") == 2 and " " not in token


def _time(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _payload(token: str) -> dict[str, Any]:
    parts = token.split(".")
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        payload = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (IndexError, binascii.Error, ValueError):
        raise BadToken("MalformedToken: not a JSON Web Token.") from None
    if len(parts) != 3 or not isinstance(payload, dict):
        raise BadToken("MalformedToken: not a JSON Web Token.")
    return payload
