"""Throw-away keys of one emulator, and the values for its clients' configuration."""

import base64
import secrets
from dataclasses import dataclass, field

POLICY = "service"


def random_key() -> str:
    """Returns 32 random bytes in base64, like Azure's keys."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Keys:
    """Shared access keys as users see them, in base64. Not shown by `repr`."""

    service: str = field(default_factory=random_key, repr=False)
    """Of the policy `service`, at the Event Hub-compatible endpoint and at the hub."""
    devices: str = field(default_factory=random_key, repr=False)
    """The secret that every device's own key is derived from."""

    def event_hub_key(self, policy: str | None) -> bytes | None:
        """Returns the signing key: Event Hubs signs with the text of the key itself."""
        return self.service.encode() if policy == POLICY else None

    def iot_hub_key(self, policy: str | None) -> bytes | None:
        """Returns the signing key: IoT Hub signs with the bytes that the base64 text encodes."""
        return base64.b64decode(self.service) if policy == POLICY else None


@dataclass(frozen=True)
class Endpoints:
    """The emulator's addresses and credentials: the JSON line of `ingest emulator --json`."""

    event_hub_connection_string: str = field(repr=False)
    event_hub_connection_string_tls: str = field(repr=False)
    iot_hub_connection_string: str = field(repr=False)
    amqp: str
    amqps: str
    https: str
    control: str
    ca_file: str
    partitions: int
    event_hub_connection_string_5671: str = field(default="", repr=False)
    """For Event Hubs clients with the fixed port 5671; with TLS. Empty if that port is not served."""
