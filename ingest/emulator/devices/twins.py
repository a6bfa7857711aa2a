"""Device twins: an empty desired half, and what the device reports. Pure.

Source: "Understand and use device twins in IoT Hub", "Communicate with an IoT hub using the MQTT protocol", Microsoft
Learn: null removes a property, objects are merged, every change raises the version by one.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

VERSION: Final = "$version"
LARGEST_BYTES: Final = 32 * 1024
"""Limit of the reported half, as JSON."""
MOST_LEVELS: Final = 10
_TOPIC = re.compile(r"\$iothub/twin/(?P<what>GET|PATCH/properties/reported)/?\?(?P<query>.{0,1000})", re.DOTALL)


class Answer(NamedTuple):
    """What the hub publishes to the device."""

    topic: str
    body: bytes


@dataclass
class _Twin:
    reported: dict[str, Any] = field(default_factory=dict)
    version: int = 1


class Twins:
    """The twins of all devices."""

    def __init__(self) -> None:
        self._twins: dict[str, _Twin] = {}

    def answer(self, device_id: str, topic: str, body: bytes) -> Answer | None:
        """Returns the answer to the device; None if the topic is not a request for its twin."""
        asked = _TOPIC.fullmatch(topic)
        if asked is None:
            return None
        # The request id is the client's own text, and goes back unchanged.
        number = next((pair for pair in asked["query"].split("&") if pair.startswith("$rid=")), "$rid=")
        twin = self._twins.setdefault(device_id, _Twin())
        if asked["what"] == "GET":
            document = {"desired": {VERSION: 1}, "reported": {**twin.reported, VERSION: twin.version}}
            return Answer(f"$iothub/twin/res/200/?{number}", json.dumps(document, separators=(",", ":")).encode())
        why = _report(twin, body)
        if why is not None:
            return Answer(f"$iothub/twin/res/400/?{number}", json.dumps({"message": why}).encode())
        return Answer(f"$iothub/twin/res/204/?{number}&{VERSION}={twin.version}", b"")


def _report(twin: _Twin, body: bytes) -> str | None:
    """Applies a patch of the reported half. Returns why not, or None."""
    try:
        patch = json.loads(body, parse_constant=_refuse)
        if not isinstance(patch, dict) or VERSION in patch:
            return f"ErrorCode:ArgumentInvalid;Reported properties are a JSON object without {VERSION}."
        merged = _merged(twin.reported, patch, MOST_LEVELS)
    except (ValueError, RecursionError) as error:
        return f"ErrorCode:ArgumentInvalid;Reported properties are a JSON object: {error}."
    if len(json.dumps(merged, separators=(",", ":"))) > LARGEST_BYTES:
        return f"ErrorCode:DeviceTwinTooLarge;Reported properties are limited to {LARGEST_BYTES} bytes."
    twin.reported = merged
    twin.version += 1
    return None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")


def _merged(old: dict[str, Any], patch: dict[str, Any], levels: int) -> dict[str, Any]:
    if not levels:
        raise ValueError(f"it is more than {MOST_LEVELS} levels deep")
    merged = dict(old)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = _merged(below if isinstance(below, dict) else {}, value, levels - 1)
        else:
            merged[key] = value
    return merged
