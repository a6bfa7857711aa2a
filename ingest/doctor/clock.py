"""Compares this machine's clock with the services': they refuse tokens and signatures with a wrong time."""

import http.client
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ingest.config import Config, Proxy
from ingest.config.proxies import ProxyAddress
from ingest.doctor.check import Check, Verdict, fail, ok, warn
from ingest.hub.network.proxy import authorization

NAME = "clock"
_ASK_SECONDS = 1.2
_WARN_SECONDS = 30.0
_REFUSED_SECONDS = 300.0
_HTTPS_PORT = 443
_BLOB = "azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob"
_FIX = "set it right: timedatectl set-ntp true"


@dataclass(frozen=True, slots=True)
class Service:
    """A server that gives the time in the Date header of any HTTP answer, even of a refusal."""

    host: str
    port: int
    tls: bool
    proxy: ProxyAddress | None = None


def clock_check(
    config: Config,
    clock: Callable[[], float],
    newest_event: Callable[[], datetime | None],
    after: tuple[str, ...],
) -> Check:
    """`clock`: epoch seconds; `newest_event`: its time by the hub's word, known after the checks `after`."""

    def ask() -> Verdict:
        for service in services(config):
            ahead = _seconds_ahead(service, clock)
            if ahead is not None:
                return judge_clock(ahead, service.host)
        newest = newest_event()
        return judge_by_event(None if newest is None else newest.timestamp() - clock())

    imports = (_BLOB,) if config.checkpoints.store == "blob" else ()
    return Check(NAME, ask, after=after, imports=imports)


def services(config: Config) -> Sequence[Service]:
    """Returns the services to ask for the time, best first."""
    found = []
    if config.hub.iot_hub is not None:
        found.append(Service(config.hub.iot_hub.host, _HTTPS_PORT, True, config.proxy.towards(config.hub.iot_hub.host)))
    event_hub = config.hub.event_hub
    if event_hub is not None and not event_hub.emulator:
        found.append(Service(event_hub.host, _HTTPS_PORT, True, config.proxy.towards(event_hub.host)))
    account = urlsplit(config.checkpoints.blob_account_url)
    if config.checkpoints.store == "blob" and account.hostname:
        found.append(
            Service(account.hostname, account.port or _HTTPS_PORT, True, config.proxy.towards(account.hostname))
        )
    if config.checkpoints.store == "blob" and config.checkpoints.blob_connection_string:
        found += _storage(config.checkpoints.blob_connection_string.reveal(), config.proxy)
    return found


def _storage(connection_string: str, proxy: Proxy) -> list[Service]:
    from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import BlobServiceClient

    try:
        with BlobServiceClient.from_connection_string(connection_string) as client:
            url = urlsplit(client.primary_endpoint)
    except ValueError:  # the checkpoints' check says what is wrong with it
        return []
    tls = url.scheme == "https"
    host = url.hostname or ""
    return [Service(host, url.port or (443 if tls else 80), tls, proxy.towards(host) if tls else None)]


def _seconds_ahead(service: Service, clock: Callable[[], float]) -> float | None:
    """Returns how far our clock is ahead of the service's (negative: behind), to about a second; None: unknown."""
    connection: http.client.HTTPConnection
    if service.tls:
        # Unverified on purpose: a wrong clock makes verification fail, and nothing else is sent or read.
        context = ssl._create_unverified_context()  # noqa: S323
        reached = service.proxy or service
        connection = http.client.HTTPSConnection(reached.host, reached.port, timeout=_ASK_SECONDS, context=context)
        if service.proxy is not None:
            connection.set_tunnel(service.host, service.port, dict(authorization(service.proxy)))
    else:
        connection = http.client.HTTPConnection(service.host, service.port, timeout=_ASK_SECONDS)
    try:
        asked = clock()
        connection.request("HEAD", "/")
        date = connection.getresponse().getheader("Date")
        answered = clock()
        # The header cuts off fractions of the second.
        return (asked + answered) / 2 - (parsedate_to_datetime(date).timestamp() + 0.5) if date else None
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None
    finally:
        connection.close()


def judge_clock(ahead: float, host: str) -> Verdict:
    """`ahead`: seconds by which this machine's clock is ahead of that of `host`."""
    off = abs(ahead)
    if off < 2:
        return ok(f"agrees with {host} to within 2 s")
    seen = f"{off:.0f} s {'ahead of' if ahead > 0 else 'behind'} {host}"
    if off >= _REFUSED_SECONDS:
        return fail(f"{seen}: tokens made with it are refused", _FIX)
    if off > _WARN_SECONDS:
        return warn(f"{seen}: tokens made with it will be refused from {_REFUSED_SECONDS:.0f} s on", _FIX)
    return ok(seen)


def judge_by_event(newest_ahead: float | None) -> Verdict:
    """`newest_ahead`: seconds by which the newest event is in this machine's future. If no service gives the time, this
    shows a clock that is behind, but not one that is ahead."""
    now = "no service tells the time"
    if newest_ahead is not None and newest_ahead > _WARN_SECONDS:
        return judge_clock(-newest_ahead, "the hub, at the least: its newest event is from the future")
    if newest_ahead is not None and -newest_ahead < _WARN_SECONDS:
        return ok(f"{now}, but the hub's newest event is {max(0.0, -newest_ahead):.0f} s old by it")
    return warn(
        f"{now}, so this clock ({datetime.now(UTC):%Y-%m-%dT%H:%MZ}) was not compared",
        "look at it yourself: timedatectl",
    )
