"""An HTTP proxy on the way to Azure: how it is written, and which hosts are reached without it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from ingest.address import before_port
from ingest.config.layers import Given, Layer
from ingest.config.values import NO_SECRET, BadValue, Secret, port_number

_FORM: Final = "http://proxy.example.com:3128"
_VARIABLES: Final = ("https_proxy", "HTTPS_PROXY")
_NOT_FOR: Final = ("no_proxy", "NO_PROXY")
_THIS_MACHINE: Final = ("localhost", "127.0.0.0/8", "::1")
_METADATA: Final = ip_network("169.254.0.0/16")
"""Where a virtual machine asks for tokens of its identity: a proxy has another identity, or none."""
_URL: Final = re.compile(
    r"(?i)(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?:(?P<user>[^\s@/?#]*)@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?::(?P<port>[0-9]+))?/?"
)
_HOST: Final = re.compile(
    r"(?i)\*|(?:\*?\.)?[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]|[0-9a-f:.]+(?:/[0-9]{1,3})?"
)


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """A proxy that takes CONNECT. Its repr shows no password."""

    host: str
    port: int
    username: str = ""
    password: Secret = NO_SECRET

    def __str__(self) -> str:
        return f"{before_port(self.host)}:{self.port}"

    @property
    def url(self) -> Secret:
        """For clients that take all of it as one text."""
        user = f"{quote(self.username, safe='')}:{quote(self.password.reveal(), safe='')}@" if self.username else ""
        return Secret(f"http://{user}{self}")


def proxy(text: str, password: Secret = NO_SECRET) -> ProxyAddress:
    """Reads `http://[USER@]HOST:PORT`. Raises BadValue."""
    found = _URL.fullmatch(text.strip())
    if found is None:
        raise BadValue(f'not the address of a proxy; write it like "{_FORM}"')
    scheme = (found["scheme"] or "").lower()
    if scheme != "http":
        raise BadValue(
            f'only a proxy that is itself spoken to in HTTP can be used, whatever goes through it: write "{_FORM}"'
        )
    if found["port"] is None:
        raise BadValue(f'the port is missing; write it like "{_FORM}"')
    user, colon, _ = (found["user"] or "").partition(":")
    if colon:
        raise BadValue("the password does not belong into the address: write a file with it as proxy.password_file")
    username = unquote(user)
    if ":" in username or not username.isprintable():
        raise BadValue("a user of a proxy has no colon and no control characters")
    return ProxyAddress(found["host"].strip("[]").lower(), port_number(found["port"]), username, password)


def check_proxy(text: str) -> None:
    """Raises BadValue for what `proxy` cannot read."""
    proxy(text)


def check_password(text: str) -> None:
    """Raises BadValue for a password that no header can carry."""
    if not text.isprintable():
        raise BadValue("there is a line break or another control character inside; keep only the password")


def check_exception(text: str) -> None:
    """Raises BadValue for what is no host of `proxy.no_proxy`."""
    if not _HOST.fullmatch(text):
        raise BadValue("not a host; write a name, a domain such as .example.com, an address, a network, or *")


def is_excepted(host: str, exceptions: Sequence[str]) -> bool:
    """Whether a host is reached without the proxy: its name or a domain that it is in, an address or network, or `*`.

    The metadata endpoint of a virtual machine always is.
    """
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ip_address(name)
    except ValueError:
        address = None
    if address is not None and address.version == 4 and address in _METADATA:
        return True
    return any(_covers(each.strip("[]").lower(), name, address is not None) for each in exceptions)


def _covers(exception: str, name: str, is_address: bool) -> bool:
    if exception == "*":
        return True
    if is_address:
        try:
            return ip_address(name) in ip_network(exception, strict=False)
        except ValueError:
            return False
    domain = exception.removeprefix("*").lstrip(".")
    return name == domain or name.endswith(f".{domain}")


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """The keys of `[proxy]` as the environment's HTTPS_PROXY and NO_PROXY give them; empty without the first.

    As with curl the lower-case names win, and a scheme may be left out; this machine itself is always excepted.
    """
    variable = next((each for each in _VARIABLES if environ.get(each, "").strip()), None)
    if variable is None:
        return {}
    scheme, _, rest = f"http://{environ[variable].strip()}".rpartition("://")
    scheme = scheme.rpartition("//")[2]
    credentials, at, place = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    if scheme.lower() == "http" and not re.search(r":[0-9]+/?$", place):
        place = f"{place.rstrip('/')}:80"
    unwanted = next((environ[each] for each in _NOT_FOR if environ.get(each)), "")
    hosts = map(_without_port, re.split(r"[\s,]+", unwanted))
    exceptions = list(dict.fromkeys([*(each for each in hosts if _HOST.fullmatch(each)), *_THIS_MACHINE]))
    found = {"url": f"{scheme}://{user}{at}{place}", "no_proxy": exceptions, "password": unquote(password)}
    return {("proxy", key): Given(value, Path.cwd(), f"set by {variable}") for key, value in found.items() if value}


def _without_port(host: str) -> str:
    """Of `host:port`, as NO_PROXY may have it: each of our hosts has one port."""
    found = re.fullmatch(r"(?i)([a-z0-9.*_-]+|\[[0-9a-f:.]+\]):[0-9]+", host)
    return found[1] if found else host
