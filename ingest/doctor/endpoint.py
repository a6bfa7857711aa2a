"""Checks a host on the network: its name, its port, its certificate."""

import socket
import ssl
import time
from collections.abc import Callable

from ingest.doctor.check import Check, Verdict, fail, ok
from ingest.hub import tls

_CONNECT_SECONDS = 2.0
_HTTPS_PORT = 443


def endpoint_checks(
    name: str, host: str, port: int, key: str, context: Callable[[], ssl.SSLContext] | None
) -> list[Check]:
    """Returns the checks `<name> DNS`, `<name> port` and, unless `context` is None (no TLS there), `<name> TLS`.

    `key` is the configuration's key that holds the host.
    """
    checks = [
        Check(f"{name} DNS", lambda: _resolve(host, key), if_silent="mend this machine's DNS (/etc/resolv.conf)"),
        Check(f"{name} port", lambda: _connect(host, port, key), needs=(f"{name} DNS",)),
    ]
    if context is not None:
        checks.append(Check(f"{name} TLS", lambda: _ask_tls(host, port, context), needs=(f"{name} port",)))
    return checks


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
    return judge_port(host, port, took, problem, problem and _problem(host, _HTTPS_PORT), key)


def judge_port(host: str, port: int, seconds: float, problem: str, https_problem: str, key: str) -> Verdict:
    """`problem`, `https_problem`: why a connection to `port` and to port 443 of the host fails; "" if it works."""
    if not problem:
        return ok(f"{host}:{port} answers in {seconds * 1000:.0f} ms")
    if https_problem:
        fix = f"see whether the host in {key} is right and up, and whether this machine may go out to TCP port {port}"
        return fail(f"{host}:{port}: {problem} (443: {https_problem})", fix)
    fix = f"port 443 of it answers, so a firewall is in the way: have TCP port {port} opened for this machine"
    return fail(f"{host}:{port}: {problem}", fix)


def _problem(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), _CONNECT_SECONDS):
            return ""
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _ask_tls(host: str, port: int, context: Callable[[], ssl.SSLContext]) -> Verdict:
    try:
        trusted = context()
    except ssl.SSLError as error:
        return fail(f"hub.ca_file holds no certificate ({error.reason})", "write the path of a PEM file there")
    found = tls.shake_hands(host, port, trusted)
    return fail(*found) if isinstance(found, tls.Fault) else ok(found)
