"""How a host of Azure is reached: which port, in what, and through which proxy."""

from dataclasses import dataclass
from typing import Final, Literal

from ingest.config import Config
from ingest.config.connection_strings import EventHubAddress, IotHubAddress
from ingest.config.proxies import ProxyAddress

AMQP_PORT: Final = 5672
AMQPS_PORT: Final = 5671
HTTPS_PORT: Final = 443


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one host. Its repr shows no password."""

    host: str
    port: int
    network: Literal["amqp", "websocket"] = "amqp"
    proxy: ProxyAddress | None = None
    tls: bool = True

    def __str__(self) -> str:
        inside = "WebSocket" if self.network == "websocket" else "AMQP"
        through = f" through the proxy {self.proxy}" if self.proxy is not None else ""
        return f"{inside} to {self.host}:{self.port}{through}"


def event_hub_route(config: Config, hub: EventHubAddress) -> Route:
    """The way to the Event Hub-compatible endpoint; to an emulator without TLS it is always a direct one."""
    if hub.emulator:
        return Route(hub.host, hub.port or AMQP_PORT, tls=False)
    return _route(config, hub.host, hub.port)


def iot_hub_route(config: Config, hub: IotHubAddress) -> Route:
    """The way to the hub's service side."""
    return _route(config, hub.host, hub.port)


def _route(config: Config, host: str, port: int | None) -> Route:
    proxy = config.proxy.towards(host)
    network = config.hub.network or ("amqp" if proxy is None else "websocket")
    return Route(host, port or (AMQPS_PORT if network == "amqp" else HTTPS_PORT), network, proxy)
