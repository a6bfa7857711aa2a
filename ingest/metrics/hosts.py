"""Names of this machine and of others, as listeners and the header Host of HTTP have them. Asks no name server."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches this address or name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_own_name(host: str, allowed: Sequence[str] = ()) -> bool:
    """Whether a header Host cannot be the name of another's web page: an address, localhost, this machine's name, or one that
    is allowed. A name that begins with a dot allows that domain and all names in it."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        ip_address(name)
    except ValueError:
        own = name == "localhost" or name.endswith(".localhost") or name == socket.gethostname().lower()
        return own or any(_covers(each.lower(), name) for each in allowed)
    return True


def _covers(allowed: str, name: str) -> bool:
    return name == allowed.lstrip(".") or (allowed.startswith(".") and name.endswith(allowed))
