"""One HTTP/1.1 listener on a port that the system picks."""

import asyncio
import socket
import ssl
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware

from ingest.listeners import cut_off, take_no_more

CLOSE_SECONDS = 0.5


class HttpServer:
    """Serves `routes` on the running loop from `start` to `close`."""

    def __init__(
        self,
        routes: Iterable[web.RouteDef],
        *,
        largest_body: int,
        tls: ssl.SSLContext | None = None,
        middlewares: Iterable[Middleware] = (),
    ) -> None:
        """`largest_body` in bytes: reading a larger one raises `web.HTTPRequestEntityTooLarge` in the handler."""
        application = web.Application(client_max_size=largest_body, middlewares=middlewares)
        application.add_routes(routes)
        # An event's body is the bytes as sent: a gzip body stays gzip.
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=CLOSE_SECONDS, auto_decompress=False
        )
        self._tls = tls
        self._bound: list[socket.socket] = []

    async def start(self, host: str) -> int:
        """Listen and return the port. Raises OSError."""
        await self._runner.setup()
        bound = socket.create_server((host, 0))
        self._bound.append(bound)
        await web.SockSite(self._runner, bound, ssl_context=self._tls).start()
        port: int = bound.getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening; requests in progress get `CLOSE_SECONDS`. Afterwards no connection is left."""
        await take_no_more(self._bound)
        self._bound.clear()
        server = self._runner.server
        transports = [connection.transport for connection in server.connections] if server else []
        await self._runner.cleanup()
        # A closed TLS transport waits for its peer's close message, and would outlive the loop.
        cut_off(transports)
        await asyncio.sleep(0)
