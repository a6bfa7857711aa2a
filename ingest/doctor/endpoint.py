"""Checks the way to a host, hop by hop: its name and port, or the proxy and its consent; the certificate; WebSocket."""

import socket
import ssl
import time
from collections.abc import Callable

from ingest.config.proxies import ProxyAddress
from ingest.doctor.check import Check, Verdict, fail, ok
from ingest.hub.network.dialing import connect_to_proxy, reach
from ingest.hub.network.faults import NetworkFault
from ingest.hub.network.probing import look
from ingest.hub.network.route import HTTPS_PORT, Route
from ingest.timing import Deadline

_CONNECT_SECONDS = 2.0
_WAY_SECONDS = 4.0


def endpoint_checks(name: str, route: Route, key: str, context: Callable[[], ssl.SSLContext]) -> list[Check]:
    """Returns the checks `<name> DNS` and `<name> port`, or with a proxy `<name> proxy` and `<name> through proxy`; where
    there is TLS `<name> TLS`; and `<name> WebSocket` if the route uses it. Each tries one hop more than the one before.

    `key` is the configuration's key that holds the host; `context` says whom to trust.
    """
    if route.proxy is None:
        checks = [
            Check(
                f"{name} DNS", lambda: _resolve(route.host, key), if_silent="mend this machine's DNS (/etc/resolv.conf)"
            ),
            Check(f"{name} port", lambda: _connect(route.host, route.port, key), needs=(f"{name} DNS",)),
        ]
    else:
        checks = _proxy_checks(name, route, route.proxy)
    if route.tls:
        tls = lambda: _verdict(lambda: look(route, context, _WAY_SECONDS, last="tls"))  # noqa: E731
        checks.append(Check(f"{name} TLS", tls, needs=(checks[-1].name,)))
    if route.network == "websocket":
        whole = lambda: _verdict(lambda: look(route, context, _WAY_SECONDS))  # noqa: E731
        checks.append(Check(f"{name} WebSocket", whole, needs=(checks[-1].name,)))
    return checks


def _proxy_checks(name: str, route: Route, proxy: ProxyAddress) -> list[Check]:
    def reached() -> str:
        connect_to_proxy(proxy, Deadline(_CONNECT_SECONDS)).close()
        return f"the proxy {proxy} takes connections"

    def let_through() -> str:
        reach(route, Deadline(_WAY_SECONDS)).close()
        user = f" for user {proxy.username}" if proxy.username else ""
        return f"the proxy connects to {route.host}:{route.port}{user}"

    return [
        Check(f"{name} proxy", lambda: _verdict(reached), if_silent="mend this machine's DNS (/etc/resolv.conf)"),
        Check(f"{name} through proxy", lambda: _verdict(let_through), needs=(f"{name} proxy",)),
    ]


def _verdict(try_it: Callable[[], str]) -> Verdict:
    try:
        return ok(try_it())
    except NetworkFault as fault:
        return fail(fault.seen, fault.fix)


def _resolve(host: str, key: str) -> Verdict:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return fail(
            f"{host} has no address ({getattr(error, 'strerror', None) or 'not a host name'})",
            f"correct the host in {key}, or mend this machine's DNS (/etc/resolv.conf)",
        )
    addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
    return ok(host if addresses == [host] else f"{host} is {', '.join(addresses[:3])}")


def _connect(host: str, port: int, key: str) -> Verdict:
    began = time.monotonic()
    problem = _problem(host, port)
    took = time.monotonic() - began
    return judge_port(host, port, took, problem, problem and _problem(host, HTTPS_PORT), key)


def judge_port(host: str, port: int, seconds: float, problem: str, https_problem: str, key: str) -> Verdict:
    """`problem`, `https_problem`: why a connection to `port` and to port 443 of the host fails; "" if it works."""
    if not problem:
        return ok(f"{host}:{port} answers in {seconds * 1000:.0f} ms")
    if https_problem:
        fix = f"see whether the host in {key} is right and up, and whether this machine may go out to TCP port {port}"
        return fail(f"{host}:{port}: {problem} (443: {https_problem})", fix)
    fix = (
        f"port 443 of it answers, so a firewall is in the way: have TCP port {port} opened for this machine, or write "
        'hub.network = "websocket"'
    )
    return fail(f"{host}:{port}: {problem}", fix)


def _problem(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), _CONNECT_SECONDS):
            return ""
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return (error.strerror or str(error)).lower()
