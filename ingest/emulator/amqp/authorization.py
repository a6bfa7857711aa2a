"""What one connection may do: the tokens it has put, by the path that each opens."""

import math
from typing import Final
from urllib.parse import unquote, urlsplit

from ingest.emulator.amqp import jwt
from ingest.emulator.amqp.sas import BadToken, verify
from ingest.emulator.keys import Keys
from ingest.timing import Clock


def address_path(address: str) -> str:
    """`amqps://host/Hub/ConsumerGroups/x` or `/Hub/…` → `hub/consumergroups/x`."""
    path = urlsplit(address).path if "://" in address else address
    return unquote(path).strip("/").lower()


IOT_HUB = "iot-hub"
"""The path that a token of IoT Hub opens, as opposed to one of Event Hubs, which opens the path in its own address."""
DEVICES: Final = (
    "ErrorCode:NotImplemented;Devices are served over MQTT (port 8883) and HTTPS here, not over AMQP: "
    "choose one of these transports in the device's client."
)
"""What is told to devices that come over AMQP."""


class Authorization:
    """Tokens are valid for the path in their audience and all below it. Which host they name is not compared:
    a client may know the emulator by any name. Event Hubs' tokens are for `sb://…`, IoT Hub's are for its host name."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._expiries: dict[str, float] = {}

    def put_token(self, audience: str, token: str) -> None:
        """Remember that `token` opens `audience`. Raises BadToken."""
        for_iot_hub = is_of_iot_hub(audience)
        path_of = _iot_hub_path if for_iot_hub else address_path
        claims = verify(token, self._keys.iot_hub_key if for_iot_hub else self._keys.event_hub_key, self._clock())
        if not _covers(path_of(claims.resource), path_of(audience)):
            raise BadToken(f"InvalidAudience: the token opens '{claims.resource}', not '{audience}'.")
        self._expiries[path_of(audience)] = claims.expiry

    def put_jwt(self, audience: str, token: str) -> None:
        """Remember that an identity's `token` opens `audience`, of Event Hubs. Raises BadToken."""
        self._expiries[address_path(audience)] = jwt.read(token, jwt.EVENT_HUBS, self._clock()).expiry

    def put_bearer(self, token: str) -> None:
        """Remember that an identity's `token` opens the service side of IoT Hub. Raises BadToken."""
        if not token.startswith(jwt.BEARER):
            raise BadToken(f"MalformedToken: a token of type bearer starts with '{jwt.BEARER}'.")
        claims = jwt.read(token.removeprefix(jwt.BEARER), jwt.IOT_HUB, self._clock())
        self._expiries[IOT_HUB] = claims.expiry

    def put_iot_hub_token(self, token: str) -> None:
        """Remember what of IoT Hub `token` opens, for a client that names no audience. Raises BadToken."""
        claims = verify(token, self._keys.iot_hub_key, self._clock())
        self._expiries[_iot_hub_path(claims.resource)] = claims.expiry

    def open_event_hub(self) -> None:
        """For a client that has shown the key itself: everything of Event Hubs, without an end."""
        self._expiries[""] = math.inf

    def check_token(self, token: str, path: str) -> None:
        """Whether `token` is one of Event Hubs that opens `path`, signed with a key or an identity's. Raises BadToken,
        remembers nothing."""
        if jwt.is_jwt(token):
            jwt.read(token, jwt.EVENT_HUBS, self._clock())
            return
        claims = verify(token, self._keys.event_hub_key, self._clock())
        if not _covers(address_path(claims.resource), path):
            raise BadToken(f"InvalidAudience: the token opens '{claims.resource}', not '{path}'.")

    def refusal(self, path: str) -> str | None:
        """Why `path` is not open now, or None if it is."""
        expiries = [expiry for opened, expiry in self._expiries.items() if _covers(opened, path)]
        if not expiries:
            claim = "ServiceConnect" if _covers(IOT_HUB, path) else "Listen"
            return (
                f"Unauthorized access. '{claim}' claim(s) are required to perform this operation. Resource: '{path}'."
            )
        if max(expiries) <= self._clock():
            return "ExpiredToken: The token is expired. Put a new token on $cbs before the old one ends."
        return None


def is_of_iot_hub(audience: str) -> bool:
    """Whether this is a claim on IoT Hub: `https://<host>`, `<host>`, or by its path, as `amqps://<host>/messages/…`."""
    scheme, separator, _ = audience.lower().partition("://")
    if not separator or scheme not in ("sb", "amqp", "amqps"):
        return True
    return scheme != "sb" and address_path(audience).startswith(("messages/", "devices/"))


def is_of_a_device(audience: str) -> bool:
    """Whether this is what a device claims: `<host>/devices/<id>`."""
    return is_of_iot_hub(audience) and _covers(f"{IOT_HUB}/devices", _iot_hub_path(audience))


def _iot_hub_path(audience: str) -> str:
    """`https://<host>/x`, `<host>/x` and, as the JavaScript client for devices has it, `<host>%2Fx` → `iot-hub/x`."""
    decoded = unquote(audience)
    path = decoded.partition("://")[2] if "://" in decoded else decoded
    return f"{IOT_HUB}/{path.partition('/')[2]}".rstrip("/").lower()


def _covers(opened: str, path: str) -> bool:
    if not opened:
        return not _covers(IOT_HUB, path)
    return opened == path or path.startswith(opened + "/")
