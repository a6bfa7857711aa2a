"""The hub's device interface over HTTPS, sending only: whoever can POST is a device.

Source: "Device - Send Device Event", Azure IoT Hub REST reference; header names as in Microsoft's own device SDKs.
"""

import ssl
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from aiohttp import web
from multidict import CIMultiDictProxy

from ingest.emulator.devices import Devices, UnknownDevice
from ingest.emulator.http_server import HttpServer
from ingest.emulator.sas import BadToken
from ingest.errors import Refused

LARGEST_MESSAGE = 256 * 1024
"""Bytes of body, system property values, names and values ("IoT Hub quotas and throttling", Microsoft Learn)."""

_PROPERTY_PREFIX = "iothub-app-"
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


class _Refusal(Refused):
    """An answer in the form that IoT Hub gives its errors."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        self.status = status
        self.code = code
        self.sentence = sentence
        super().__init__(sentence)

    def response(self, now: float) -> web.Response:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%m/%d/%Y %H:%M:%S")
        return web.json_response(
            {
                "Message": f"ErrorCode:{self.code};{self.sentence}",
                "ExceptionMessage": f"Tracking ID:{uuid.uuid4().hex}-G:0-TimeStamp:{stamp}",
            },
            status=self.status,
            headers={"iothub-errorcode": self.code},
        )


class DeviceHttps:
    """`POST /devices/{id}/messages/events?api-version=…`: 204, or 400, 401, 404, 413 with IoT Hub's error object."""

    def __init__(self, devices: Devices, publish: Publish, tls: ssl.SSLContext, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._devices = devices
        self._publish = publish
        self._clock = clock
        routes = [web.post("/devices/{id}/messages/events", self._handle)]
        self._server = HttpServer(routes, largest_body=LARGEST_MESSAGE, tls=tls)

    async def start(self, host: str) -> int:
        """Listen and return the port. Raises OSError."""
        return await self._server.start(host)

    async def close(self) -> None:
        await self._server.close()

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            await self._accept(request)
        except _Refusal as refusal:
            return refusal.response(self._clock())
        return web.Response(status=204)

    async def _accept(self, request: web.Request) -> None:
        device_id = request.match_info["id"]
        if "api-version" not in request.query:
            raise _Refusal(400, "InvalidProtocolVersion", "Add ?api-version=2021-04-12 to the address.")
        self._authenticate(device_id, request.headers.get("Authorization"))
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
            raise _Refusal(400, "ArgumentInvalid", "A header is not UTF-8.") from None
        if size > LARGEST_MESSAGE:
            raise _too_large(f"The message of {size} bytes, properties counted,")
        self._publish(device_id, body, properties={**properties}, **system)

    def _authenticate(self, device_id: str, token: str | None) -> None:
        try:
            self._devices.check_known(device_id)
            if token is None:
                raise BadToken("Unauthorized: the Authorization header with a SharedAccessSignature is missing.")
            self._devices.authenticate(device_id, token)
        except UnknownDevice as error:
            raise _Refusal(404, "DeviceNotFound", str(error)) from None
        except BadToken as error:
            raise _Refusal(401, "IotHubUnauthorizedAccess", str(error)) from None


def _too_large(what: str) -> _Refusal:
    return _Refusal(413, "MessageTooLarge", f"{what} is above the limit of {LARGEST_MESSAGE} bytes.")


def _application_properties(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """Names keep the case in which they were sent; of a name sent twice the last value counts."""
    return {
        name[len(_PROPERTY_PREFIX) :]: value
        for name, value in headers.items()
        if name.lower().startswith(_PROPERTY_PREFIX)
    }
