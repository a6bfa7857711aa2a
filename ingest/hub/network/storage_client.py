"""Azure's storage client: opened with a key or an identity, through the proxy of the configuration; and its faults."""

import re
import ssl
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from ingest.config import Proxy
from ingest.config.connection_strings import blob_host
from ingest.config.proxies import ProxyAddress
from ingest.config.values import Secret
from ingest.hub.auth.contract import STORAGE
from ingest.hub.auth.identity import HeldCredential
from ingest.hub.network.faults import NetworkFault
from ingest.hub.network.http_head import Answer
from ingest.hub.network.proxy import refusal

_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3}) ?(.{0,200})", re.DOTALL)
"""How Python's http.client words an answer to CONNECT other than 200."""


def open_client(kind: Any, connection_string: Secret, account_url: str, *names: str, **options: Any) -> Any:
    """Returns a client of the storage library, or of the library for checkpoints. Does no I/O.

    `connection_string` has a key; without one, the identity's token goes to `account_url`. `names`: of what the client
    opens in the account. Raises ValueError if the connection string cannot be read.
    """
    if connection_string or not account_url:
        return kind.from_connection_string(connection_string.reveal(), *names, **options)
    return kind(account_url, *names, credential=HeldCredential(STORAGE), **options)


def proxy_towards(connection_string: Secret, proxy: Proxy, account_url: str = "") -> ProxyAddress | None:
    """The proxy on the way to a storage account; None for one that is spoken to without TLS, as a local one is."""
    given = bool(connection_string) or not account_url
    host = blob_host(connection_string.reveal()) if given else urlsplit(account_url).hostname
    return proxy.towards(host) if host else None


def options(proxy: ProxyAddress | None) -> dict[str, Any]:
    """For the client: this proxy or none, whatever the environment says; an authority in REQUESTS_CA_BUNDLE counts."""
    if proxy is None:
        return {"proxies": {"no_proxy": "*"}}
    return {"proxies": {"https": proxy.url.reveal(), "no_proxy": "*"}}


def fault(failed: BaseException, proxy: ProxyAddress | None, place: str) -> NetworkFault | None:
    """What failed on the way to `place`, when it was the proxy or TLS; None when it was something else."""
    chain = list(_chain(failed))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return NetworkFault(
                "tls",
                f"the certificate of {place} is not trusted ({each.verify_message})",
                "set REQUESTS_CA_BUNDLE in the environment to a PEM file with the authority that signed it as well as the usual "
                "ones, or have the proxy leave that host alone",
            )
        answer = _TUNNEL.fullmatch(str(each)) if proxy is not None and isinstance(each, OSError) else None
        if answer is not None and proxy is not None:
            return refusal(proxy, place, Answer(int(answer[1]), answer[2], [], b""))
    if proxy is not None and any(type(each).__name__ == "ProxyError" for each in chain):
        said = [each.strerror for each in chain if isinstance(each, OSError) and each.strerror]
        why = str(said[0]).lower() if said else "no answer"
        fix = "see whether proxy.url is right and the proxy is up"
        return NetworkFault("proxy", f"the proxy {proxy} cannot be used ({why})", fix)
    return None


def _chain(failed: BaseException) -> Iterator[BaseException]:
    """An error, what it was made of, what that was made of."""
    seen: set[int] = set()
    waiting: list[Any] = [failed]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            yield error
            waiting += [getattr(error, "inner_exception", None), getattr(error, "reason", None)]
            waiting += [*error.args, error.__cause__, error.__context__]
