"""A bound for the TLS handshakes of azure-eventhub, which waits for ever for a peer that takes the connection and says
nothing. A private seam, pinned and checked at import as in `ingest.source.transport.sdk`; it concerns this process alone.
"""

from typing import Any

from azure.eventhub._pyamqp import _transport as _pyamqp_transport

HANDSHAKE_SECONDS = 10.0
"""Below the 15 s after which a process without a heartbeat is replaced, and a link that is not attached given up."""

_transport: Any = _pyamqp_transport
if not hasattr(_transport.SSLTransport, "_setup_transport"):
    raise ImportError("this azure-eventhub has no SSLTransport._setup_transport; a bound for handshakes relies on it")
_stock_setup = _transport.SSLTransport._setup_transport


def _setup_transport(transport: Any) -> None:
    """Shakes hands; the client sets the socket's own time-out behind it."""
    transport.sock.settimeout(HANDSHAKE_SECONDS)
    try:
        _stock_setup(transport)
    except TimeoutError:
        host = transport.host
        raise TimeoutError(f"no answer from {host} within {HANDSHAKE_SECONDS:g} s (TLS handshake)") from None


def bound() -> None:
    """Bounds every handshake to come."""
    _transport.SSLTransport._setup_transport = _setup_transport
