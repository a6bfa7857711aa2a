"""Services that nobody here wrote: uamqp as azure-iot-hub uses it, but with a port and options of one's own."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from azure.core.credentials import AccessToken

from ingest.emulator import Emulator
from ingest.emulator.keys import POLICY

SECONDS = 20.0


def _authorization(emulator: Emulator) -> Any:
    """A token as azure-iot-hub signs it (iothub_amqp_client.py, IoTHubAmqpClientSharedAccessKeyAuth)."""
    import uamqp

    host, _, port = emulator.endpoints.amqps.removeprefix("amqps://").partition(":")
    expiry = int(time.time()) + 3600
    digest = hmac.digest(base64.b64decode(emulator.keys.service), f"{host}\n{expiry}".encode(), hashlib.sha256)
    token = f"SharedAccessSignature sr={host}&sig={quote(base64.b64encode(digest))}&se={expiry}&skn={POLICY}"
    found = uamqp.authentication.JWTTokenAuth(
        audience=f"https://{host}",
        uri=f"https://{host}",
        get_token=lambda: AccessToken(token, expiry),
        token_type=b"servicebus.windows.net:sastoken",
        port=int(port),
        verify=emulator.endpoints.ca_file,
    )
    found.update_token()
    return found


def manager_of(emulator: Emulator) -> Any:
    """azure-iot-hub's own client. Trusts the CA in $SSL_CERT_FILE."""
    from azure.iot.hub import IoTHubRegistryManager

    return IoTHubRegistryManager.from_connection_string(emulator.endpoints.iot_hub_connection_string)


@contextmanager
def sender(emulator: Emulator) -> Iterator[Any]:
    """A SendClient that is ready and never sends anything again by itself."""
    import uamqp

    client = uamqp.SendClient(
        "amqps://localhost/messages/devicebound",
        auth=_authorization(emulator),
        error_policy=uamqp.errors.ErrorPolicy(max_retries=0),
    )
    try:
        client.open()
        deadline = time.monotonic() + SECONDS
        while not client.client_ready():
            assert time.monotonic() < deadline
        yield client
    finally:
        client.close()


@contextmanager
def feedback_receiver(emulator: Emulator) -> Iterator[Any]:
    import uamqp

    client = uamqp.ReceiveClient(
        "amqps://localhost/messages/serviceBound/feedback", auth=_authorization(emulator), auto_complete=False
    )
    try:
        yield client
    finally:
        client.close()


def command(device_id: str, body: bytes, message_id: str, ack: str = "none") -> Any:
    import uamqp

    return uamqp.Message(
        body,
        properties=uamqp.message.MessageProperties(
            message_id=message_id, to=f"/devices/{device_id}/messages/devicebound"
        ),
        application_properties={"iothub-ack": ack},
    )
