"""The hub's device interface over HTTPS, sending: whoever can POST is a device.

Source: "Device - Send Device Event", Azure IoT Hub REST reference; header names as in Microsoft's own device SDKs.
"""

import ssl
from collections.abc import Callable, Iterable
from typing import Protocol

from aiohttp import web
from multidict import CIMultiDictProxy

from ingest.emulator.device_registry import Devices
from ingest.emulator.devices.batch import PROPERTY_PREFIX, BadBatch, is_batch, messages
from ingest.emulator.devices.http_server import HttpServer
from ingest.emulator.devices.requests import Refusal, answering, authenticate
from ingest.hub.limits import EVENT_BYTES

_CURL_DEFAULT_TYPE = "application/x-www-form-urlencoded"


class Publish(Protocol):
    """Puts one event into the hub."""

    def __call__(
        self,
        device_id: str,
        body: bytes,
        *,
        properties: dict[str, object],
        content_type: str | None,
        content_encoding: str | None,
        message_id: str | None,
        correlation_id: str | None,
    ) -> object: ...


class DeviceHttps:
    """`POST /devices/{id}/messages/events?api-version=…`: 204, or 400, 401, 404, 413 with IoT Hub's error object.

    A body of `application/vnd.microsoft.iothub.json` is many messages: all are taken, or none.
    """

    def __init__(
        self,
        devices: Devices,
        publish: Publish,
        tls: ssl.SSLContext,
        clock: Callable[[], float],
        more: Iterable[web.RouteDef] = (),
    ) -> None:
        """`clock` gives seconds since 1970; `more` routes are served at the same port."""
        self._devices = devices
        self._publish = publish
        routes = [web.post("/devices/{id}/messages/events", answering(self._accept, clock))]
        self._server = HttpServer([*routes, *more], largest_body=EVENT_BYTES, tls=tls)

    async def start(self, host: str) -> int:
        """Listen and return the port. Raises OSError."""
        return await self._server.start(host)

    async def close(self) -> None:
        await self._server.close()

    async def _accept(self, request: web.Request) -> web.Response:
        device_id = authenticate(self._devices, request)
        headers = request.headers
        properties = _application_properties(headers)
        content_type = headers.get("iothub-contenttype") or headers.get("Content-Type")
        system: dict[str, str | None] = {
            # curl calls every body a form; no device means it.
            "content_type": None if content_type == _CURL_DEFAULT_TYPE else content_type,
            "content_encoding": headers.get("iothub-contentencoding") or headers.get("Content-Encoding"),
            "message_id": headers.get("iothub-messageid"),
            "correlation_id": headers.get("iothub-correlationid"),
        }
        try:
            body = await request.read()
            texts = [*system.values(), *properties.keys(), *properties.values()]
            size = len(body) + sum(len(text.encode()) for text in texts if text)
        except web.HTTPRequestEntityTooLarge:
            raise _too_large("The body") from None
        except UnicodeEncodeError:
            raise Refusal(400, "ArgumentInvalid", "A header is not UTF-8.") from None
        if size > EVENT_BYTES:
            raise _too_large(f"The message of {size} bytes, properties counted,")
        if is_batch(headers.get("Content-Type")):
            return self._accept_batch(device_id, body)
        self._publish(device_id, body, properties={**properties}, **system)
        return web.Response(status=204)

    def _accept_batch(self, device_id: str, raw: bytes) -> web.Response:
        try:
            batch = messages(raw)
        except BadBatch as error:
            raise Refusal(400, "ArgumentInvalid", str(error)) from None
        for message in batch:
            self._publish(device_id, message.body, properties=message.properties, **message.system)
        return web.Response(status=204)


def _too_large(what: str) -> Refusal:
    return Refusal(413, "MessageTooLarge", f"{what} is above the limit of {EVENT_BYTES} bytes.")


def _application_properties(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """Names keep the case in which they were sent; of a name sent twice the last value counts."""
    return {
        name[len(PROPERTY_PREFIX) :]: value
        for name, value in headers.items()
        if name.lower().startswith(PROPERTY_PREFIX)
    }
