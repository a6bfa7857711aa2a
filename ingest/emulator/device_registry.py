"""Which ids can be devices of the emulated hub, and with which key."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Collection
from urllib.parse import quote

from ingest.emulator.amqp.sas import BadToken, Claims, sign, verify
from ingest.emulator.errors import Rejected
from ingest.hub import device_id as device_ids

TOKEN_SECONDS = 24 * 3600


class UnknownDevice(Rejected):
    """The registry has no device with this id, or the id is illegal. `str()` is one sentence for the user."""


def check_device_id(device_id: str) -> None:
    """Raises UnknownDevice unless IoT Hub would accept the id."""
    if len(device_id) > device_ids.MAX_LENGTH:
        raise UnknownDevice(f"Device id of {len(device_id)} characters: at most {device_ids.MAX_LENGTH} are allowed.")
    if not device_ids.is_legal(device_id):
        raise UnknownDevice(f"Device id {device_id!r}: write {device_ids.ALLOWED} only.")


class Devices:
    """Device identities. Every key is derived from one secret and the device id; nothing is stored per device."""

    def __init__(
        self, secret: bytes, host_name: str, clock: Callable[[], float], known: Collection[str] | None = None
    ) -> None:
        """`host_name` is the hub's, as in its connection strings; `clock` gives seconds since 1970.
        `known` closes the registry: other ids are unknown. None: every legal id is a device."""
        self._secret = secret
        self.host_name = host_name
        """The hub's name for its devices."""
        self._clock = clock
        self._known = None if known is None else frozenset(known)
        for device_id in self._known or ():
            check_device_id(device_id)

    def check_known(self, device_id: str) -> None:
        """Raises UnknownDevice unless the id is a device here."""
        check_device_id(device_id)
        if self._known is not None and device_id not in self._known:
            raise UnknownDevice(f"Device {device_id!r} is not registered in this hub.")

    def key(self, device_id: str) -> str:
        """Returns the device's symmetric key, base64. Raises UnknownDevice."""
        self.check_known(device_id)
        return base64.b64encode(self._key_bytes(device_id)).decode()

    def connection_string(self, device_id: str) -> str:
        """Returns a connection string for azure-iot-device. Raises UnknownDevice."""
        return f"HostName={self.host_name};DeviceId={device_id};SharedAccessKey={self.key(device_id)}"

    def token(self, device_id: str, seconds: int = TOKEN_SECONDS) -> str:
        """Returns a ready `Authorization` value, valid for `seconds` from now. Raises UnknownDevice."""
        self.check_known(device_id)
        return sign(f"{self.host_name}/devices/{device_id}", self._key_bytes(device_id), int(self._clock()) + seconds)

    def authenticate(self, device_id: str, token: str) -> Claims:
        """Let the device in. Raises UnknownDevice or BadToken.

        The host in the token's resource is not compared: behind a gateway, and here, a device can know the hub by
        another name than the one it connects to. The signature shows that the token is meant for this hub.
        """
        self.check_known(device_id)
        key = self._key_bytes(device_id)
        claims = verify(token, lambda policy: key if policy is None else None, self._clock())
        _, _, path = claims.resource.partition("/")
        # Some SDKs encode the id first and then the whole URI, with the id in it, again.
        if path not in (f"devices/{device_id}", f"devices/{quote(device_id, safe='')}"):
            raise BadToken(f"Unauthorized: the token opens another resource than /devices/{device_id}.")
        return claims

    def _key_bytes(self, device_id: str) -> bytes:
        return hmac.digest(self._secret, device_id.encode(), hashlib.sha256)
