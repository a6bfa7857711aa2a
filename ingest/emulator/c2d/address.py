"""Where services connect: port 5671, which is fixed in Microsoft's clients, of the emulator's own loopback address.

Emulators side by side take 127.0.0.1, 127.0.0.2, and so on. Linux answers on all of 127.0.0.0/8; on a system with only
127.0.0.1, one emulator at a time can serve cloud-to-device messages.
"""

import socket
from typing import Final

from ingest.errors import IngestError

AMQPS_PORT: Final = 5671
MQTTS_PORT: Final = 8883
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104  # compared, not bound: a user can give it
_CANDIDATES: Final = [f"127.0.0.{last}" for last in range(1, 255)]


def bind(wanted: str | None, *, mqtt: bool = False) -> socket.socket:
    """Returns a socket bound to port 5671 of `wanted`; None: of the first loopback address where that port is free.

    With `mqtt`, port 8883 must be free there too; the owner of the first then binds it. Raises IngestError.
    """
    port, why = AMQPS_PORT, ""
    for address in _CANDIDATES if wanted is None else [wanted]:
        try:
            port = AMQPS_PORT
            bound = socket.create_server((address, port))
        except OSError as error:
            why = error.strerror or str(error)
            continue
        try:
            if mqtt:
                port = MQTTS_PORT
                socket.create_server((address, port)).close()
            return bound
        except OSError as error:
            why = error.strerror or str(error)
            bound.close()
    where = wanted or f"{_CANDIDATES[0]} to {_CANDIDATES[-1]}"
    raise IngestError(
        f"Port {port} of {where} cannot be listened on: {why}. Services' and devices' clients know no other port; end "
        "what listens there, or give a loopback address of this machine where it is free, such as 127.0.0.2."
    )


def host_name(address: str) -> str:
    """Returns the hub's name for clients: it resolves to `address` and is in the certificate."""
    return "localhost" if address in ("127.0.0.1", _EVERYWHERE) else address
