"""The same tokens for uamqp, which asks for a new one as the last one runs out."""

import os
import time
from pathlib import Path
from typing import Any

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.auth.contract import BEARER
from ingest.hub.auth.identity import iot_hub_claim
from ingest.hub.network.route import Route

_REFRESH_SHARE = 0.4
_LEAST_WINDOW = 3
"""Seconds before its end in which uamqp asks for a new token."""


def token_auth(hub: IotHubAddress, ca_file: Path | None, route: Route) -> Any:
    """Returns a uamqp JWTTokenAuth for one connection to the hub on `route`, its first token made. Raises NoToken."""
    from azure.core.credentials import AccessToken
    from uamqp.constants import TransportType

    from ingest.hub.network.uamqp_auth import RoutedTokenAuth

    claim = iot_hub_claim(hub)
    first = claim.make()

    def token() -> Any:
        made = claim.make()
        return AccessToken(made.text, round(time.time() + made.seconds))

    auth = RoutedTokenAuth(
        proxy=route.proxy,
        audience=claim.audience,
        uri=f"https://{hub.host}",
        get_token=token,
        token_type=first.kind.encode(),
        # A held token is renewed at half of its life, and may be half used up: uamqp's own tenth of the rest can be none.
        refresh_window=max(_LEAST_WINDOW, int(first.seconds * _REFRESH_SHARE)) if first.kind == BEARER else 0,
        port=route.port,
        transport_type=TransportType.AmqpOverWebsocket if route.network == "websocket" else TransportType.Amqp,
        verify=os.fspath(ca_file) if ca_file is not None else None,
    )
    auth.update_token()
    return auth
