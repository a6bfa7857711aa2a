"""A host on the network: its name, its port, its certificate."""

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from ingest.doctor.check import Check, Verdict, fail, ok

_CONNECT_SECONDS = 2.0
_HANDSHAKE_SECONDS = 4.0
_HTTPS_PORT = 443


def endpoint_checks(
    name: str, host: str, port: int, key: str, context: Callable[[], ssl.SSLContext] | None
) -> list[Check]:
    """Checks `<name> DNS`, `<name> port` and, unless `context` is None (no TLS there), `<name> TLS`.

    `key` is the configuration's key that holds the host.
    """
    checks = [
        Check(f"{name} DNS", lambda: _resolve(host, key), if_silent="mend this machine's DNS (/etc/resolv.conf)"),
        Check(f"{name} port", lambda: _connect(host, port, key), needs=(f"{name} DNS",)),
    ]
    if context is not None:
        checks.append(Check(f"{name} TLS", lambda: _ask_tls(host, port, context), needs=(f"{name} port",)))
    return checks


def event_hub_context(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities that azure-eventhub trusts: ca_file alone if given, else those of certifi."""
    import certifi

    return ssl.create_default_context(cafile=ca_file or certifi.where())


def iot_hub_context(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities that uamqp trusts: ca_file or those of certifi, and the system's."""
    context = event_hub_context(ca_file)
    context.load_default_certs()
    return context


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
    """`problem`, `https_problem`: why `port` and port 443 of the host cannot be connected to; "" when they can."""
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
    return _shake_hands(host, port, trusted)


def _shake_hands(host: str, port: int, context: ssl.SSLContext) -> Verdict:
    try:
        with (
            socket.create_connection((host, port), _CONNECT_SECONDS) as plain,
            _secured(plain, host, context) as secure,
        ):
            certificate = secure.getpeercert() or {}
            return ok(f"{secure.version()}, certificate good until {certificate.get('notAfter', 'an unknown time')}")
    except ssl.SSLCertVerificationError as error:
        return judge_certificate(host, error.verify_code, error.verify_message)
    except ssl.SSLError as error:
        return fail(
            f"no TLS at {host}:{port} ({error.reason or 'handshake failed'})",
            "see whether the port is that of a hub, and whether a proxy is between",
        )
    except OSError as error:
        return fail(
            f"{host}:{port} ended the TLS handshake ({error.strerror or error})",
            "see whether a firewall or proxy that inspects TLS is between",
        )


def _secured(plain: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain.settimeout(_HANDSHAKE_SECONDS)
    return context.wrap_socket(plain, server_hostname=host)


_NOT_YET_VALID, _EXPIRED = 9, 10
_NAME_MISMATCH = (62, 64)
"""OpenSSL's X509_V_ERR_… numbers (x509_vfy.h)."""


def judge_certificate(host: str, code: int, words: str) -> Verdict:
    """What OpenSSL's refusal of a certificate calls for."""
    if code in (_NOT_YET_VALID, _EXPIRED):
        fix = "set this machine's clock right (timedatectl); if it is, the certificate must be renewed"
    elif code in _NAME_MISMATCH:
        fix = f"write the host name that is in the certificate; {host} is not"
    else:
        fix = "write the authority that signed it (that of the proxy or the emulator, PEM) into hub.ca_file"
    return fail(f"the certificate of {host} is not trusted ({words})", fix)
