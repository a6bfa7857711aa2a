"""How the sink shows IoT Hub who it is: tokens of the service policy, made anew by the AMQP client as they run out."""

import os
from pathlib import Path
from typing import Any

from ingest.config.connection_strings import IotHubAddress

TOKEN_SECONDS = 3_600


def token_auth(hub: IotHubAddress, ca_file: Path | None) -> Any:
    """A uamqp JWTTokenAuth for one connection to the hub, its first token made."""
    import uamqp
    from azure.core.credentials import AccessToken
    from azure.iot.hub.sastoken import SasToken

    def token() -> Any:
        made = SasToken(hub.host, hub.key.reveal(), hub.policy, TOKEN_SECONDS)
        return AccessToken(str(made), made.expiry_time)

    auth = uamqp.authentication.JWTTokenAuth(
        audience=f"https://{hub.host}",
        uri=f"https://{hub.host}",
        get_token=token,
        token_type=b"servicebus.windows.net:sastoken",
        port=hub.port,
        verify=os.fspath(ca_file) if ca_file is not None else None,
    )
    auth.update_token()
    return auth
