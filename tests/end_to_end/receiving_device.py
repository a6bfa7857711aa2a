"""A device on azure-iot-device, after the sample of Microsoft's documentation on receiving cloud-to-device messages.

`python -m tests.end_to_end.receiving_device CONNECTION_STRING CA_FILE`; ends at the end of its input.
"""

import sys
from pathlib import Path
from typing import Any

from azure.iot.device import IoTHubDeviceClient


def main() -> None:
    connection_string, ca_file = sys.argv[1:]
    client: Any = IoTHubDeviceClient.create_from_connection_string(
        connection_string, server_verification_cert=Path(ca_file).read_text()
    )
    try:
        client.connect()
        client.on_message_received = lambda message: print(f"Receive message: {message.data.decode()}", flush=True)
        print("Connected", flush=True)
        sys.stdin.read()
    finally:
        client.shutdown()


if __name__ == "__main__":
    main()
