"""Kafka's `listeners` from a broker's configuration → the port and the protocol for clients. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
"""In the order of preference: the first needs nothing more than an address."""

_LISTENER: Final = re.compile(r"([A-Za-z0-9_.-]+)://(.*):([0-9]{1,5})", re.DOTALL)
_OLD_NAMES: Final = {"PLAINTEXTSASL": "SASL_PLAINTEXT"}
"""Names of the Hortonworks platform."""


@dataclass(frozen=True, slots=True)
class Listener:
    name: str
    protocol: str
    """One of PROTOCOLS, or the listener's name if nothing says more."""
    port: int


def listeners(properties: Mapping[str, object]) -> list[Listener]:
    """Returns a broker's listeners in order; if it has none, from the old key `port`. Port 0 means none."""
    named = dict(_pairs(properties.get("listener.security.protocol.map")))
    found = []
    for text in _items(properties.get("listeners")):
        match = _LISTENER.fullmatch(text)
        if match is not None and 1 <= int(match[3]) <= 65535:
            name = match[1].upper()
            protocol = named.get(name, name)
            found.append(Listener(name, _OLD_NAMES.get(protocol, protocol), int(match[3])))
    port = str(properties.get("port", "")).strip()
    if not found and re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535:
        found.append(Listener("PLAINTEXT", "PLAINTEXT", int(port)))
    return found


def for_clients(found: list[Listener], protocol: str | None, between_brokers: str = "") -> Listener | None:
    """Returns the listener of this protocol, or else the one that asks least of a client; None if there is none.

    The listener only for brokers, `between_brokers`, comes last.
    """
    wanted = [each for each in found if protocol is None or each.protocol == protocol]
    order = {name: place for place, name in enumerate(PROTOCOLS)}
    return min(
        wanted,
        key=lambda each: (each.name == between_brokers.upper(), order.get(each.protocol, len(order))),
        default=None,
    )


def _items(value: object) -> list[str]:
    return [item.strip() for item in str(value or "").split(",") if item.strip()]


def _pairs(value: object) -> list[tuple[str, str]]:
    pairs = [item.partition(":") for item in _items(value)]
    return [(name.strip().upper(), protocol.strip().upper()) for name, _, protocol in pairs]
