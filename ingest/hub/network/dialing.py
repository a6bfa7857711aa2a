"""Opens the connection that a route describes, hop by hop, all within one deadline."""

import socket
import ssl
from collections.abc import Callable

from ingest.config.proxies import ProxyAddress
from ingest.hub import tls
from ingest.hub.network.contract import CONNECT_SECONDS, Stream
from ingest.hub.network.faults import NetworkFault
from ingest.hub.network.proxy import connect_through
from ingest.hub.network.route import Route
from ingest.hub.network.sockets import SocketStream
from ingest.hub.network.tls_stream import Tls, TlsStream
from ingest.hub.network.websocket import WebSocketStream, upgrade
from ingest.timing import Deadline

_UNCONFIRMED_MS = 20_000
"""Bytes that nobody confirms for so long mean that the connection is none any more (tcp(7), TCP_USER_TIMEOUT)."""
_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNCONFIRMED_MS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 9),
)


def dial(route: Route, context: Callable[[], ssl.SSLContext], seconds: float | None = None) -> Stream:
    """Connects; `context`, called where there is TLS, says whom to trust. Raises NetworkFault.

    Takes `seconds` at most, by default CONNECT_SECONDS, but for what the system takes to look up a name.
    """
    deadline = Deadline(CONNECT_SECONDS if seconds is None else seconds)
    connected = reach(route, deadline)
    try:
        secured = secure(connected, route, context, deadline) if route.tls else None
        rest = upgrade(secured or connected, route.host, route.port, deadline) if route.network == "websocket" else b""
        stream: Stream = SocketStream(connected) if secured is None else TlsStream(secured)
    except BaseException:
        connected.close()
        raise
    return WebSocketStream(stream, rest) if route.network == "websocket" else stream


def reach(route: Route, deadline: Deadline) -> socket.socket:
    """A connection with the route's host, through its proxy if there is one, before any TLS. Raises NetworkFault."""
    if route.proxy is None:
        return connect(route.host, route.port, deadline)
    connected = connect_to_proxy(route.proxy, deadline)
    try:
        connect_through(connected, route.proxy, route.host, route.port, deadline)
    except BaseException:
        connected.close()
        raise
    return connected


def connect_to_proxy(proxy: ProxyAddress, deadline: Deadline) -> socket.socket:
    """A connection with the proxy itself. Raises NetworkFault."""
    try:
        return connect(proxy.host, proxy.port, deadline)
    except NetworkFault as fault:
        what = "has no address" if fault.hop == "name" else "cannot be reached"
        raise NetworkFault(
            "proxy",
            f"the proxy {proxy} {what} ({fault.seen.rpartition('(')[2].removesuffix(')')})",
            "see whether proxy.url (or HTTPS_PROXY) is right and the proxy is up, or except the host in proxy.no_proxy",
        ) from None


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection with one of the host's addresses, each of which gets its share of the time. Raises NetworkFault."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "not a host name"
        raise NetworkFault(
            "name", f"{host} has no address ({why})", "correct the host, or mend this machine's DNS (/etc/resolv.conf)"
        ) from None
    problem = "no answer"
    for place, (family, kind, protocol, _, address) in enumerate(addresses):
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(max(0.01, deadline.remaining() / (len(addresses) - place)))
            connected.connect(address)
            for level, option, value in _OPTIONS:
                connected.setsockopt(level, option, value)
            return connected
        except OSError as error:
            connected.close()
            problem = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
    raise NetworkFault(
        "port",
        f"no connection with {host}:{port} ({problem})",
        f"see whether the host is up, and whether this machine may go out to TCP port {port}",
    )


def secure(connected: socket.socket, route: Route, context: Callable[[], ssl.SSLContext], deadline: Deadline) -> Tls:
    """Shakes hands. Raises NetworkFault."""
    try:
        trusted = context()
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "reason", None) or error.strerror or str(error)
        raise NetworkFault(
            "tls", f"hub.ca_file holds no certificate ({why})", "write the path of a PEM file there"
        ) from None
    try:
        return Tls(connected, trusted, route.host, deadline)
    except (OSError, ValueError) as error:
        fault = tls.handshake_fault(route.host, route.port, error, deadline.seconds)
        raise NetworkFault("tls", fault.seen, fault.fix) from None
