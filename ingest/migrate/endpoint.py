"""The Event Hub-compatible endpoint as users copy it from the portal. Pure."""

import re
from typing import Final

from ingest.config.values import BadValue, port_number

_ADDRESS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?P<port>[0-9]+))?/?"
)
_INSIDE: Final = re.compile(r"[Ss][Bb]://([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)")
_HOST: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_FORM: Final = "sb://NAMESPACE.servicebus.windows.net/"
_IOT_HUB: Final = (".azure-devices.net", ".azure-devices.cn", ".azure-devices.us")


def host_and_port(text: str) -> str:
    """Returns HOST or HOST:PORT of `sb://HOST[:PORT][/]`; the scheme was always ignored. Raises BadValue."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise BadValue(_why_not(text))
    host = match["host"]
    if host.lower().endswith(_IOT_HUB):
        raise BadValue(f"is the address of the IoT Hub itself: write the Event Hub-compatible endpoint, {_FORM}")
    return f"{host}:{port_number(match['port'])}" if match["port"] else host


def _why_not(text: str) -> str:
    if not text:
        return f"is empty: write the Event Hub-compatible endpoint, {_FORM}"
    inside = _INSIDE.search(text)
    if inside is not None:
        return f"has more than the address in it: write only sb://{inside[1]}/"
    if _HOST.fullmatch(text.rstrip("/")):
        return f"has no sb:// in front: write sb://{text.rstrip('/')}/"
    return f"is not an address: write it like {_FORM}"
