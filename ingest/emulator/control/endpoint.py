"""A loopback HTTP endpoint for what a real hub never allows: cause faults, look inside, act as a device."""

import base64
import binascii
import inspect
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any

import orjson
from aiohttp import web

from ingest.amqp.errors import AmqpError
from ingest.emulator.control.arguments import BadArguments, bind, explain
from ingest.emulator.control.faults import Faults
from ingest.emulator.control.local_only import local_only
from ingest.emulator.device_registry import Devices, UnknownDevice
from ingest.emulator.devices.http_server import HttpServer
from ingest.emulator.devices.simulation import Progress
from ingest.emulator.telemetry.hub import Hub
from ingest.emulator.telemetry.log import Position

HOST = "127.0.0.1"
"""Wherever else the emulator listens: a client that reaches this endpoint controls the hub."""
LARGEST_REQUEST = 2 * 1024 * 1024
LATEST_MS = 253_402_300_799_999
NOT_SIMULATED = Progress(events_sent=0, per_device={}, done=True)

FAULTS = (
    "detach",
    "close",
    "abort",
    "refuse_attach",
    "refuse_cbs",
    "starve",
    "delay",
    "throttle",
    "pause",
    "cut",
    "expire",
    "recreate",
)
SEND_FAULTS = (
    "reject_send",
    "release_send",
    "lose_disposition",
    "refuse_service_link",
    "cut_service_link",
    "detach_service_links",
    "close_service_connections",
    "abort_service_connections",
)
"""Methods of `Faults`, and of its `sends`, that `POST /faults/<name>` can call, each with its own arguments."""

Answer = Callable[[web.Request], Awaitable[object]]


class Control:
    """JSON over plain HTTP; `GET /` lists the calls. Wrong input gets 400 and one sentence in `error`."""

    def __init__(
        self,
        hub: Hub,
        devices: Devices,
        faults: Faults,
        stats: Callable[[], object],
        c2d: Mapping[str, Callable[..., object]],
    ) -> None:
        """`stats` and the orders in `c2d` (by name, for `POST /c2d/<name>`) return what orjson can write."""
        self._hub = hub
        self._devices = devices
        self._faults = faults
        self._orders: dict[str, Callable[..., object]] = {name: getattr(faults, name) for name in FAULTS}
        self._orders |= {name: getattr(faults.sends, name) for name in SEND_FAULTS}
        self._c2d = c2d
        self._stats = stats
        self.simulation: Callable[[], Progress] = lambda: NOT_SIMULATED
        """Gives the answer to `GET /simulation`; set it when a simulation starts."""
        calls: list[tuple[str, str, Answer]] = [
            ("GET", "/", self._describe),
            ("GET", "/stats", self._show_stats),
            ("GET", "/simulation", self._show_simulation),
            ("GET", "/devices/{id}/sas", self._token),
            ("POST", "/send", self._send),
            ("POST", "/partitions", self._add_partitions),
            ("POST", "/faults/{name}", self._fault),
            ("POST", "/c2d/{name}", self._order_c2d),
            ("GET", "/faults", self._show_faults),
            ("DELETE", "/faults", self._clear),
        ]
        routes = [web.route(method, path, _as_handler(answer)) for method, path, answer in calls]
        self._server = HttpServer(routes, largest_body=LARGEST_REQUEST, middlewares=[local_only])

    async def start(self, host: str = HOST) -> int:
        """Listen and return the port. Raises OSError, and ValueError if the host is not a loopback address."""
        if not ip_address(host).is_loopback:
            raise ValueError(f"The control endpoint listens on loopback only, not on {host}.")
        return await self._server.start(host)

    async def close(self) -> None:
        await self._server.close()

    async def _describe(self, request: web.Request) -> object:
        return {
            "GET /stats": "What every partition holds and who is attached.",
            "GET /simulation": "What the simulated devices have sent: events_sent, per_device, done.",
            "GET /devices/{id}/sas": "A ready value for the Authorization header of that device, as plain text.",
            "POST /send": {
                "does": "Sends one event as a device; answers with its position. Give body or body_base64.",
                "arguments": explain(self._publish),
            },
            "POST /partitions": {
                "does": "Gives the hub more partitions; answers with the ids of all.",
                "arguments": explain(self._hub.add_partitions),
            },
            "GET /faults": "The faults in force.",
            "DELETE /faults": "Ends all faults.",
            **{
                f"POST /faults/{name}": {"does": inspect.getdoc(method) or "", "arguments": explain(method)}
                for name, method in self._orders.items()
            },
            **{
                f"POST /c2d/{name}": {"does": inspect.getdoc(method) or "", "arguments": explain(method)}
                for name, method in self._c2d.items()
            },
        }

    async def _show_stats(self, request: web.Request) -> object:
        return self._stats()

    async def _show_simulation(self, request: web.Request) -> object:
        return self.simulation()

    async def _token(self, request: web.Request) -> object:
        return web.Response(text=self._devices.token(request.match_info["id"]))

    async def _send(self, request: web.Request) -> object:
        position = self._publish(**bind(self._publish, await _decoded(request)))
        return position._asdict()

    async def _add_partitions(self, request: web.Request) -> object:
        arguments = bind(self._hub.add_partitions, await _decoded(request))
        try:
            return {"partitions": self._hub.add_partitions(**arguments)}
        except ValueError as error:
            raise BadArguments(str(error)) from None

    def _publish(
        self,
        device_id: str,
        body: str | None = None,
        body_base64: str | None = None,
        properties: Mapping[str, object] | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        message_id: str | None = None,
        correlation_id: str | None = None,
        module_id: str | None = None,
        enqueued_at_ms: int | None = None,
    ) -> Position:
        self._devices.check_known(device_id)
        if (body is None) == (body_base64 is None):
            raise BadArguments("Give either 'body' (text) or 'body_base64'.")
        for name, value in (properties or {}).items():
            if isinstance(value, dict | list):
                raise BadArguments(f"Property {name!r} is {value!r}; give it as text, number, true, false or null.")
        if enqueued_at_ms is not None and not 0 < enqueued_at_ms <= LATEST_MS:
            raise BadArguments(f"'enqueued_at_ms' is {enqueued_at_ms}; give milliseconds since 1970, up to year 9999.")
        return self._hub.publish(
            device_id,
            body.encode() if body is not None else _from_base64(body_base64 or ""),
            properties=properties,
            content_type=content_type,
            content_encoding=content_encoding,
            message_id=message_id,
            correlation_id=correlation_id,
            module_id=module_id,
            enqueued_at_ms=enqueued_at_ms,
        )

    async def _fault(self, request: web.Request) -> object:
        return {"struck": await _carried_out(self._orders, "fault", request), "active": self._faults.active()}

    async def _order_c2d(self, request: web.Request) -> object:
        return {"answer": await _carried_out(self._c2d, "order", request)}

    async def _show_faults(self, request: web.Request) -> object:
        return {"active": self._faults.active()}

    async def _clear(self, request: web.Request) -> object:
        self._faults.clear()
        return {"active": self._faults.active()}


def _as_handler(answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        status = 200
        try:
            value = await answer(request)
        except (BadArguments, UnknownDevice, AmqpError) as error:
            status, value = 400, {"error": str(error)}
        if isinstance(value, web.Response):
            return value
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE)
        return web.Response(body=text, status=status, content_type="application/json")

    return handle


async def _carried_out(orders: Mapping[str, Callable[..., object]], kind: str, request: web.Request) -> object:
    name = request.match_info["name"]
    order = orders.get(name)
    if order is None:
        raise BadArguments(f"There is no {kind} {name!r}; there is {', '.join(orders)}.")
    arguments = bind(order, await _decoded(request))
    try:
        return order(**arguments)
    except ValueError as error:
        raise BadArguments(str(error)) from None


async def _decoded(request: web.Request) -> Any:
    try:
        return orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadArguments(f"The request's body is not JSON: {error}.") from None
    except web.HTTPRequestEntityTooLarge:
        raise BadArguments(f"The request's body is larger than {LARGEST_REQUEST} bytes.") from None


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise BadArguments("'body_base64' is not base64.") from None
