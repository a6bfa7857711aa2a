"""How a host is written in an address. Pure."""


def before_port(host: str) -> str:
    """Returns the host as it stands in front of a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
