"""TLS handshakes with a hub, looked at: whom its clients trust, and why they would not."""

import socket
import ssl
from pathlib import Path
from typing import Final, NamedTuple

CONNECT_SECONDS: Final = 2.0
HANDSHAKE_SECONDS: Final = 4.0
_NOT_YET_VALID, _EXPIRED = 9, 10
_NAME_MISMATCH = (62, 64)
"""OpenSSL's X509_V_ERR_… numbers (x509_vfy.h)."""


class Fault(NamedTuple):
    """Why there is no TLS with a host, and what mends that; each one clause."""

    seen: str
    fix: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.fix}"


def event_hub_context(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities that azure-eventhub trusts: ca_file alone if given, else those of certifi. Raises ssl.SSLError."""
    import certifi

    return ssl.create_default_context(cafile=ca_file or certifi.where())


def iot_hub_context(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities that uamqp trusts: ca_file or those of certifi, and the system's. Raises ssl.SSLError."""
    context = event_hub_context(ca_file)
    context.load_default_certs()
    return context


def shake_hands(host: str, port: int, context: ssl.SSLContext) -> Fault | str:
    """Connects and shakes hands, each within the seconds above; what was agreed on, in words, or the fault."""
    try:
        with (
            socket.create_connection((host, port), CONNECT_SECONDS) as plain,
            _secured(plain, host, context) as secure,
        ):
            certificate = secure.getpeercert() or {}
            return f"{secure.version()}, certificate good until {certificate.get('notAfter', 'an unknown time')}"
    except ssl.SSLCertVerificationError as error:
        return certificate_fault(host, error.verify_code, error.verify_message)
    except ssl.SSLError as error:
        return Fault(
            f"no TLS at {host}:{port} ({error.reason or 'handshake failed'})",
            "see whether the port is that of a hub, and whether a proxy is between",
        )
    except TimeoutError:
        return Fault(
            f"no answer from {host}:{port} within {HANDSHAKE_SECONDS:g} s",
            "see whether the hub is up, and whether a firewall or proxy is between",
        )
    except OSError as error:
        return Fault(
            f"{host}:{port} ended the TLS handshake ({error.strerror or error})",
            "see whether a firewall or proxy that inspects TLS is between",
        )


def certificate_fault(host: str, code: int, words: str) -> Fault:
    """What OpenSSL's refusal of a certificate calls for."""
    if code in (_NOT_YET_VALID, _EXPIRED):
        fix = "set this machine's clock right (timedatectl); if it is, the certificate must be renewed"
    elif code in _NAME_MISMATCH:
        fix = f"write the host name that is in the certificate; {host} is not"
    else:
        fix = "write the authority that signed it (that of the proxy or the emulator, PEM) into hub.ca_file"
    return Fault(f"the certificate of {host} is not trusted ({words})", fix)


def _secured(plain: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain.settimeout(HANDSHAKE_SECONDS)
    return context.wrap_socket(plain, server_hostname=host)
