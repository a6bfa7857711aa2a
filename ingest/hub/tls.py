"""TLS with a hub: whom its clients trust, and why they would not."""

import ssl
from pathlib import Path
from typing import Final, NamedTuple

_NOT_YET_VALID, _EXPIRED = 9, 10
_NAME_MISMATCH: Final = (62, 64)
"""OpenSSL's X509_V_ERR_… numbers (x509_vfy.h)."""


class Fault(NamedTuple):
    """Why there is no TLS with a host, and what mends that; each one clause."""

    seen: str
    fix: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.fix}"


def event_hub_context(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities that azure-eventhub trusts: ca_file alone if given, else those of certifi. Raises ssl.SSLError.

    As with that client, not `ssl.create_default_context`: from Python 3.13 on that one asks for what many a company's own
    authority does not write into its certificate (VERIFY_X509_STRICT).
    """
    import certifi

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file or certifi.where())
    return context


def iot_hub_context(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities that uamqp trusts: ca_file or those of certifi, and the system's. Raises ssl.SSLError."""
    context = event_hub_context(ca_file)
    context.load_default_certs()
    return context


def handshake_fault(host: str, port: int, error: Exception, seconds: float) -> Fault:
    """What a handshake that failed calls for; `seconds`: how long it was waited for."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return certificate_fault(host, error.verify_code, error.verify_message)
    if isinstance(error, ssl.SSLError):
        return Fault(
            f"no TLS at {host}:{port} ({error.reason or 'handshake failed'})",
            "see whether the port is that of a hub, and whether a proxy is between",
        )
    if isinstance(error, TimeoutError):
        return Fault(
            f"no answer from {host}:{port} within {seconds:g} s (TLS handshake)",
            "see whether the hub is up, and whether a firewall or proxy is between",
        )
    return Fault(
        f"{host}:{port} ended the TLS handshake ({getattr(error, 'strerror', None) or error})",
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
