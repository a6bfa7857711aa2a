"""The hub's device interface over HTTPS, receiving: commands are fetched, then completed, rejected or abandoned.

Source: "Device - Receive, Complete, Abandon Device Bound Notification", Azure IoT Hub REST reference; header names as
in Microsoft's own device SDKs.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from aiohttp import web

from ingest.emulator.c2d.hub import LOCK_SECONDS, C2dHub
from ingest.emulator.c2d.lock_queue import LockLost
from ingest.emulator.c2d.message import ACK, Delivery
from ingest.emulator.device_registry import Devices
from ingest.emulator.devices.requests import Refusal, answering, authenticate

_SHORTEST_LOCK: Final = 5
_LONGEST_LOCK: Final = 300
_NAME_MARKS: Final = "!#$&'*+^`|"
"""The marks of RFC 9110's token that `quote` would encode; without % itself."""
_PATH: Final = "/devices/{id}/messages/devicebound"


def routes(devices: Devices, hub: C2dHub, clock: Callable[[], float]) -> list[web.RouteDef]:
    """Returns the routes for the device listener. `clock` gives seconds since 1970."""
    receiver = _Receiver(devices, hub)
    return [
        web.get(_PATH, answering(receiver.fetch, clock)),
        web.delete(_PATH + "/{lock_token}", answering(receiver.end, clock)),
        web.post(_PATH + "/{lock_token}/abandon", answering(receiver.abandon, clock)),
    ]


class _Receiver:
    def __init__(self, devices: Devices, hub: C2dHub) -> None:
        self._devices = devices
        self._hub = hub

    async def fetch(self, request: web.Request) -> web.Response:
        """Answers 200 with the oldest command and its lock token in ETag, 204 if there is none."""
        device_id = authenticate(self._devices, request)
        delivery = self._hub.take(device_id, _lock_seconds(request.headers.get("iothub-messagelocktimeout")))
        if delivery is None:
            return web.Response(status=204)
        return web.Response(body=delivery.body, headers=_headers(delivery))

    async def end(self, request: web.Request) -> web.Response:
        """Complete, or reject with `?reject`."""
        device_id = authenticate(self._devices, request)
        act = self._hub.reject if "reject" in request.query else self._hub.complete
        return _settle(act, device_id, request)

    async def abandon(self, request: web.Request) -> web.Response:
        return _settle(self._hub.abandon, authenticate(self._devices, request), request)


def _settle(act: Callable[[str, str], None], device_id: str, request: web.Request) -> web.Response:
    try:
        act(device_id, request.match_info["lock_token"].strip('"'))
    except LockLost as error:
        raise Refusal(412, "DeviceMessageLockLost", str(error)) from None
    return web.Response(status=204)


def _lock_seconds(header: str | None) -> float:
    if header is None:
        return LOCK_SECONDS
    if not (header.isascii() and header.isdecimal() and _SHORTEST_LOCK <= int(header) <= _LONGEST_LOCK):
        sentence = f"iothub-messagelocktimeout is {header!r:.40}; give {_SHORTEST_LOCK} to {_LONGEST_LOCK} seconds."
        raise Refusal(400, "ArgumentInvalid", sentence)
    return float(header)


def _headers(delivery: Delivery) -> dict[str, str]:
    command = delivery.command
    found = {
        "ETag": f'"{delivery.lock_token}"',
        "iothub-messageid": command.message_id,
        "iothub-correlationid": command.correlation_id,
        "iothub-userid": command.user_id,
        "iothub-to": command.to,
        ACK: None if command.ack == "none" else command.ack,
        "iothub-sequencenumber": str(delivery.sequence_number),
        "iothub-deliverycount": str(delivery.delivery_count),
        "iothub-enqueuedtime": _time(delivery.enqueued_ms),
        "iothub-expiry": None if command.expiry_ms is None else _time(command.expiry_ms),
        "iothub-contenttype": command.content_type,
        "iothub-contentencoding": command.content_encoding,
        "Content-Type": "application/octet-stream",
    }
    # A header's name allows fewer characters than a property's.
    own = {f"iothub-app-{quote(name, safe=_NAME_MARKS)}": str(value) for name, value in command.properties.items()}
    return {_line(name): _line(value) for name, value in (found | own).items() if value is not None}


def _line(value: str) -> str:
    """Returns the value without line breaks, which a header cannot hold."""
    return value.replace("\r", " ").replace("\n", " ")


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
