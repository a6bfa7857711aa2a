"""How the sink shows IoT Hub who it is: tokens of the service policy, made anew by the AMQP client as they run out."""

import os
import time
from pathlib import Path
from typing import Any

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.network.route import Route
from ingest.hub.sas import iot_hub_token

TOKEN_SECONDS = 3_600


def service_token(hub: IotHubAddress) -> tuple[str, int]:
    """A new token, and when it runs out, Unix seconds."""
    expires = int(time.time()) + TOKEN_SECONDS
    return iot_hub_token(hub, expires), expires


def token_auth(hub: IotHubAddress, ca_file: Path | None, route: Route) -> Any:
    """A uamqp JWTTokenAuth for one connection to the hub on `route`, its first token made."""
    from azure.core.credentials import AccessToken
    from uamqp.constants import TransportType

    from ingest.hub.network.uamqp_auth import RoutedTokenAuth

    def token() -> Any:
        return AccessToken(*service_token(hub))

    auth = RoutedTokenAuth(
        proxy=route.proxy,
        audience=f"https://{hub.host}",
        uri=f"https://{hub.host}",
        get_token=token,
        token_type=b"servicebus.windows.net:sastoken",
        port=route.port,
        transport_type=TransportType.AmqpOverWebsocket if route.network == "websocket" else TransportType.Amqp,
        verify=os.fspath(ca_file) if ca_file is not None else None,
    )
    auth.update_token()
    return auth
