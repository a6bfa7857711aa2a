"""Addresses of services, and how a host is written in one. Pure."""

from urllib.parse import SplitResult, urlsplit


def before_port(host: str) -> str:
    """Returns the host as it stands in front of a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def parts_of(url: str, *schemes: str) -> SplitResult | None:
    """Returns the parts of an address with one of these schemes, a host, and a port that can be, if any; None of other text."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return None
    return parts if usable else None
