"""Keeps web pages away from an HTTP endpoint on loopback.

A browser on this machine lets any page send requests to 127.0.0.1. It names the page in `Origin` if the request changes
something or the page wants to read the answer. If the page's own name was changed to point to loopback ("DNS
rebinding"), that name is in `Host`. A program such as curl sends neither.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler


@web.middleware
async def local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers with 403 and a sentence in `error` to every request that a page from elsewhere can have sent."""
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if not _is_loopback(host):
        return _refused(f"The host {host[:100]!r} is not served here: use 127.0.0.1 or localhost.")
    if origin is not None and origin != f"{request.scheme}://{host}":
        return _refused(f"A page of {origin[:100]!r} has no business here: call this endpoint from a program.")
    return await handler(request)


def _is_loopback(host: str) -> bool:
    """Whether the value of a `Host` header, with or without a port, names this machine's loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _refused(sentence: str) -> web.Response:
    return web.Response(body=orjson.dumps({"error": sentence}), status=403, content_type="application/json")
