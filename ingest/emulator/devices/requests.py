"""What all HTTPS requests of devices share: API version, token, and the form of a refusal."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

from aiohttp import web

from ingest.emulator.amqp.sas import BadToken
from ingest.emulator.device_registry import Devices, UnknownDevice
from ingest.emulator.errors import Rejected

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class Refusal(Rejected):
    """An answer in the form of IoT Hub's errors."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        self.status = status
        self.code = code
        self.sentence = sentence
        super().__init__(sentence)

    def response(self, now: float) -> web.Response:
        """Returns the answer for the device. `now` is in seconds since 1970."""
        stamp = datetime.fromtimestamp(now, UTC).strftime("%m/%d/%Y %H:%M:%S")
        return web.json_response(
            {
                "Message": f"ErrorCode:{self.code};{self.sentence}",
                "ExceptionMessage": f"Tracking ID:{uuid.uuid4().hex}-G:0-TimeStamp:{stamp}",
            },
            status=self.status,
            headers={"iothub-errorcode": self.code},
        )


def answering(handle: Handler, clock: Callable[[], float]) -> Handler:
    """Returns `handle` with each Refusal that it raises turned into an answer."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handle(request)
        except Refusal as refusal:
            return refusal.response(clock())

    return answer


def authenticate(devices: Devices, request: web.Request) -> str:
    """Returns the id of the device in the request's path. Raises Refusal if the token is not of that device."""
    if "api-version" not in request.query:
        raise Refusal(400, "InvalidProtocolVersion", "Add ?api-version=2021-04-12 to the address.")
    device_id = request.match_info["id"]
    token = request.headers.get("Authorization")
    try:
        devices.check_known(device_id)
        if token is None:
            raise BadToken("Unauthorized: the Authorization header with a SharedAccessSignature is missing.")
        devices.authenticate(device_id, token)
    except UnknownDevice as error:
        raise Refusal(404, "DeviceNotFound", str(error)) from None
    except BadToken as error:
        raise Refusal(401, "IotHubUnauthorizedAccess", str(error)) from None
    return device_id
