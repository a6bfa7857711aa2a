"""uamqp's connection through a proxy: its own way for WebSocket, and the same for AMQP, which it does not offer."""

from typing import Any

import certifi
import uamqp
from uamqp import c_uamqp
from uamqp.authentication.common import _SASLClient

from ingest.config.proxies import ProxyAddress


class RoutedTokenAuth(uamqp.authentication.JWTTokenAuth):  # type: ignore[misc]  # uamqp has no types
    """A JWTTokenAuth whose connection goes through `proxy`, whatever its transport is."""

    def __init__(self, *, proxy: ProxyAddress | None, **options: Any) -> None:
        self._proxy = proxy
        self._kept: Any = None
        """The C library keeps no copy of it."""
        super().__init__(**options)

    def set_io(self, hostname: Any, port: int, http_proxy: Any, transport_type: Any) -> None:
        websocket = transport_type is uamqp.constants.TransportType.AmqpOverWebsocket
        if self._proxy is None:
            super().set_io(hostname, port, None, transport_type)
        elif websocket:
            self.set_wsio(hostname, port, self._settings())
        else:
            self._set_tlsio_through_proxy(hostname, port)

    def _settings(self) -> dict[str, Any]:
        assert self._proxy is not None
        found: dict[str, Any] = {"proxy_hostname": self._proxy.host, "proxy_port": self._proxy.port}
        if self._proxy.username:
            found |= {"username": self._proxy.username, "password": self._proxy.password.reveal()}
        return found

    def _set_tlsio_through_proxy(self, hostname: Any, port: int) -> None:
        """`set_tlsio`, with the proxy that only `set_wsio` knows."""
        config = c_uamqp.TLSIOConfig()
        config.hostname = hostname
        config.port = int(port)
        self._kept = self._build_proxy_config(hostname, int(port), self._settings())
        config.set_proxy_config(self._kept)
        wire = c_uamqp.xio_from_tlsioconfig(c_uamqp.get_default_tlsio(), config)
        with open(self.cert_file or certifi.where(), "rb") as file:  # noqa: PTH123 - as its own does
            wire.set_certificates(file.read())
        self.sasl_client = _SASLClient(wire, self.sasl)
        self.consumed = False
