"""Azure's connection strings: what each must contain, and what users often paste instead.

Pure. Parsers raise BadValue; its text names the missing part and never contains the value of a part.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ingest.address import parts_of
from ingest.config.values import NO_SECRET, BadValue, Secret, port_number

_EVENT_HUB_WHERE: Final = "portal → IoT Hub → Built-in endpoints → Event Hub-compatible endpoint"
_IOT_HUB_WHERE: Final = "portal → IoT Hub → Shared access policies → service → Primary connection string"
_NAMESPACE_WHERE: Final = "portal → Event Hubs namespace → Shared access policies → Primary connection string"
_BLOB_WHERE: Final = "portal → Storage account → Access keys → Connection string"
_BUILT_IN: Final = re.compile(r"(?i)(iothub-ns-|ihsuprod)")
"""How the namespaces of IoT hubs begin."""
KEYS_ONLY_FIX: Final = (
    "route the hub's messages to an Event Hub of your own (portal → IoT Hub → Message routing) and write its namespace here, "
    "or read the built-in endpoint with hub.event_hub_connection_string"
)
_HOST_AND_PORT: Final = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::([0-9]+))?")


@dataclass(frozen=True, slots=True)
class EventHubAddress:
    """One Event Hub-compatible endpoint and the policy to sign tokens with."""

    host: str
    port: int | None
    """As written; None if the connection string has none."""
    event_hub: str
    policy: str
    key: Secret
    """Empty: an Entra identity is shown instead."""
    emulator: bool
    """UseDevelopmentEmulator=true: plain AMQP without TLS."""

    @property
    def namespace(self) -> str:
        """The fully qualified namespace for azure-eventhub: the host, with its port only in emulator mode (over TLS the
        library ignores the port)."""
        return f"{self.host}:{self.port}" if self.emulator and self.port else self.host


@dataclass(frozen=True, slots=True)
class NamespaceAddress:
    """An Event Hubs namespace of one's own, as Kafka clients reach it."""

    host: str
    emulator: bool
    """UseDevelopmentEmulator=true: Kafka without TLS."""

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` of the Kafka endpoint; a port in the connection string is that of AMQP."""
        return f"{self.host}:{9092 if self.emulator else 9093}"


@dataclass(frozen=True, slots=True)
class IotHubAddress:
    """The service side of one IoT Hub and the policy to sign tokens with."""

    host: str
    port: int | None
    policy: str
    key: Secret
    """Empty: an Entra identity is shown instead."""


def event_hub(text: str) -> EventHubAddress:
    """Reads `Endpoint=sb://HOST[:PORT]/;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…`, and at the end
    `;UseDevelopmentEmulator=true` or not."""
    parts = _parts(text, first="Endpoint", where=_EVENT_HUB_WHERE)
    if "hostname" in parts:
        raise BadValue(
            "this is the connection string of the IoT Hub (HostName=…), it belongs to hub.iot_hub_connection_string; "
            f"here goes the one that begins with Endpoint=sb:// ({_EVENT_HUB_WHERE})"
        )
    endpoint = _part(parts, "Endpoint", _EVENT_HUB_WHERE)
    _refuse_token(parts)
    if "sharedaccesskeyname" not in parts and "sharedaccesskey" not in parts:
        raise BadValue(
            f"SharedAccessKeyName is missing; copy the whole string ({_EVENT_HUB_WHERE}), or, for an Event Hub of your own "
            "that an identity may read, write hub.event_hub_namespace, hub.event_hub_name and identity.auth"
        )
    policy, key = (
        _part(parts, "SharedAccessKeyName", _EVENT_HUB_WHERE),
        _part(parts, "SharedAccessKey", _EVENT_HUB_WHERE),
    )
    entity = parts.get("entitypath", "")
    if not entity:
        raise BadValue(
            "EntityPath is missing: add ;EntityPath=NAME at the end, NAME being the Event Hub-compatible name "
            "(portal → IoT Hub → Built-in endpoints)"
        )
    host, port = _endpoint(endpoint, _EVENT_HUB_WHERE)
    return EventHubAddress(host, port, entity, policy, Secret(key), _emulator(parts))


def namespace(text: str) -> NamespaceAddress:
    """Reads `Endpoint=sb://NAMESPACE/;SharedAccessKeyName=…;SharedAccessKey=…`, and at the end
    `;UseDevelopmentEmulator=true` or not."""
    parts = _parts(text, first="Endpoint", where=_NAMESPACE_WHERE)
    endpoint = _part(parts, "Endpoint", _NAMESPACE_WHERE)
    _refuse_token(parts)
    _part(parts, "SharedAccessKeyName", _NAMESPACE_WHERE)
    _part(parts, "SharedAccessKey", _NAMESPACE_WHERE)
    if "entitypath" in parts:
        raise BadValue(
            "EntityPath makes it the connection string of one event hub, and ingest uses several topics: take that of a "
            f"policy of the namespace ({_NAMESPACE_WHERE})"
        )
    return NamespaceAddress(_endpoint(endpoint, _NAMESPACE_WHERE)[0], _emulator(parts))


def iot_hub(text: str) -> IotHubAddress:
    """Reads `HostName=HOST[:PORT];SharedAccessKeyName=…;SharedAccessKey=…`; the key is base64."""
    parts = _parts(text, first="HostName", where=_IOT_HUB_WHERE)
    if "endpoint" in parts:
        raise BadValue(
            "this is the Event Hub-compatible connection string (Endpoint=…), it belongs to "
            f"hub.event_hub_connection_string; here goes the one that begins with HostName= ({_IOT_HUB_WHERE})"
        )
    if "deviceid" in parts:
        raise BadValue(
            f"this is the connection string of one device; use the one of the policy service ({_IOT_HUB_WHERE})"
        )
    name = _part(parts, "HostName", _IOT_HUB_WHERE)
    _refuse_token(parts)
    policy, key = _part(parts, "SharedAccessKeyName", _IOT_HUB_WHERE), _part(parts, "SharedAccessKey", _IOT_HUB_WHERE)
    _base64("SharedAccessKey", key)
    host, port = _host_and_port(name)
    if not host:
        raise BadValue(f"HostName is not of the form NAME.azure-devices.net ({_IOT_HUB_WHERE})")
    return IotHubAddress(host, port, policy, Secret(key))


def event_hub_without_key(namespace: str, name: str) -> EventHubAddress:
    """Returns the address of an Event Hub that an identity reads. Raises BadValue."""
    host, port = _checked_host(namespace, "NAME.servicebus.windows.net")
    return EventHubAddress(host, port, name, "", NO_SECRET, False)


def iot_hub_without_key(text: str) -> IotHubAddress:
    """Returns the address of the service side of an IoT Hub that an identity talks to. Raises BadValue."""
    host, port = _checked_host(text, "NAME.azure-devices.net")
    return IotHubAddress(host, port, "", NO_SECRET)


def check_namespace(text: str) -> None:
    """Raises BadValue for what is no namespace, or one whose Event Hub takes keys only."""
    host, _ = _checked_host(text, "NAME.servicebus.windows.net")
    if is_built_in(host):
        raise BadValue(f"this is the built-in endpoint of an IoT hub, which takes keys only: {KEYS_ONLY_FIX}")


def check_host(text: str) -> None:
    """Raises BadValue for what is no host of an IoT hub."""
    _checked_host(text, "NAME.azure-devices.net")


def check_account_url(text: str) -> None:
    """Raises BadValue for what is no address of a storage account that takes tokens of an identity."""
    url = parts_of(text, "https")
    if url is None or url.username or url.query or url.fragment:
        raise BadValue("not the address of a storage account; write https://ACCOUNT.blob.core.windows.net")


def is_built_in(host: str) -> bool:
    """Whether the namespace belongs to an IoT hub."""
    return _BUILT_IN.match(host) is not None


def _checked_host(text: str, form: str) -> tuple[str, int | None]:
    host, port = _host_and_port(text)
    if not host:
        raise BadValue(f"not a host; write the name alone, such as {form}")
    return host, port


def blob_storage(text: str) -> None:
    """Checks `[DefaultEndpointsProtocol=…;]AccountName=…;AccountKey=…[;EndpointSuffix=…]`, or BlobEndpoint and a token.

    Returns nothing, because the Storage library reads the string itself.
    """
    parts = _parts(text, first="", where=_BLOB_WHERE)
    if "usedevelopmentstorage" in parts:
        raise BadValue(
            "UseDevelopmentStorage is not understood by Azure's Python library; "
            "write Azurite's whole string: DefaultEndpointsProtocol=http;AccountName=…;AccountKey=…;BlobEndpoint=http://…"
        )
    if "endpoint" in parts or "hostname" in parts:
        raise BadValue(
            f"this is the connection string of a hub; here goes the one of a storage account ({_BLOB_WHERE})"
        )
    _check_blob_address(parts)
    if parts.get("sharedaccesssignature"):
        _part(parts, "BlobEndpoint", _BLOB_WHERE)
        return
    _part(parts, "AccountName", _BLOB_WHERE)
    _base64("AccountKey", _part(parts, "AccountKey", _BLOB_WHERE))


def _check_blob_address(parts: dict[str, str]) -> None:
    endpoint = parts.get("blobendpoint", "")
    if endpoint and parts_of(endpoint, "http", "https") is None:
        raise BadValue(f"BlobEndpoint is not of the form https://ACCOUNT.blob.core.windows.net ({_BLOB_WHERE})")
    if parts.get("defaultendpointsprotocol", "https").lower() not in ("http", "https"):
        raise BadValue(f"DefaultEndpointsProtocol is neither https nor http ({_BLOB_WHERE})")
    if not _HOST_AND_PORT.fullmatch(parts.get("endpointsuffix") or "core.windows.net"):
        raise BadValue(f"EndpointSuffix is not a host such as core.windows.net ({_BLOB_WHERE})")


def blob_host(text: str) -> str:
    """The host of a storage account; "" where it is spoken to without TLS. `text`: as `blob_storage` accepts it."""
    parts = _parts(text, first="", where=_BLOB_WHERE)
    endpoint = parts.get("blobendpoint", "")
    if endpoint:
        url = urlsplit(endpoint)
        return url.hostname or "" if url.scheme == "https" else ""
    if parts.get("defaultendpointsprotocol", "https").lower() != "https":
        return ""
    return f"{parts.get('accountname', '')}.blob.{parts.get('endpointsuffix') or 'core.windows.net'}"


def _parts(text: str, *, first: str, where: str) -> dict[str, str]:
    """Returns name in lower case → value. Compares names without case, as Azure's clients do."""
    pasted = text.strip().strip("\"'")
    before = re.search(rf"(?i)\b{first}\s*=", pasted) if first else None
    if before and before.start() > 0 and ";" not in pasted[: before.start()]:
        raise BadValue(f"there is text before {first}=; keep only what begins there ({where})")
    if pasted != text.strip():
        raise BadValue("there are quotation marks inside the value; keep only what is between them")
    if re.search(r"[\r\n]", pasted):
        raise BadValue("there is a line break inside; write the connection string on one line")
    parts: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in pasted.split(";"))):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not equals:
            raise BadValue(f"not a connection string: a part between semicolons has no NAME=; copy it whole ({where})")
        if name in parts:
            raise BadValue(f"a part is there twice, so two strings may have been pasted; copy one whole ({where})")
        parts[name] = value.strip()
    return parts


def _part(parts: dict[str, str], name: str, where: str) -> str:
    value = parts.get(name.lower(), "")
    if not value:
        raise BadValue(f"{name} is missing; copy the whole string ({where})")
    return value


def _refuse_token(parts: dict[str, str]) -> None:
    if "sharedaccesssignature" in parts:
        raise BadValue("a SharedAccessSignature expires; use SharedAccessKeyName and SharedAccessKey of a policy")


def _endpoint(endpoint: str, where: str) -> tuple[str, int | None]:
    """Returns host and port of `sb://HOST[:PORT]/`."""
    scheme, _, rest = endpoint.partition("://")
    host, port = _host_and_port(rest.removesuffix("/"))
    if scheme != "sb" or not host:
        raise BadValue(f"Endpoint is not of the form sb://NAMESPACE.servicebus.windows.net/ ({where})")
    return host, port


def _emulator(parts: dict[str, str]) -> bool:
    emulator = parts.get("usedevelopmentemulator", "")
    if emulator not in ("", "true"):
        raise BadValue("UseDevelopmentEmulator must be exactly true (lower case), or left out")
    return emulator == "true"


def _base64(name: str, key: str) -> None:
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error:
        raise BadValue(f"{name} is not base64, so it was cut or changed; copy it again") from None


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Returns host and port; an empty host if the text is neither HOST nor HOST:PORT."""
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        return "", None
    return match[1], port_number(match[2]) if match[2] else None
