"""A stock azure-iot-device client in a process of its own: `python -m tests.emulator.mqtt_device CONNECTION CA_FILE`.

Its MQTT library is of 2021 and warns about itself under newer Pythons; that is not the emulator's. Orders come in as
JSON lines, news go out as JSON lines: `{"send": {…}}` → `{"sent": …}`, `{"report": {…}}` → `{"twin": …}`,
`{"listen": true}` → `{"listening": true}`, then `{"command": …}` for each command, and `{"connected": …}` whenever that
changes. Ends at the end of input.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

from azure.iot.device import IoTHubDeviceClient, Message

_speaking = threading.Lock()


def say(**news: object) -> None:
    with _speaking:
        print(json.dumps(news), flush=True)


def main() -> None:
    connection_string, ca_file = sys.argv[1:]
    client: Any = IoTHubDeviceClient.create_from_connection_string(
        connection_string, server_verification_cert=Path(ca_file).read_text(), connection_retry_interval=1
    )
    client.on_connection_state_change = lambda: say(connected=client.connected)
    try:
        client.connect()
        for line in sys.stdin:
            obey(client, json.loads(line))
    except Exception as error:
        say(failed=type(error).__name__)
    finally:
        client.shutdown()


def obey(client: Any, order: dict[str, Any]) -> None:
    if "send" in order:
        fields = order["send"]
        message: Any = Message(fields["body"])  # type: ignore[no-untyped-call]  # typed in parts
        message.message_id = fields.get("message_id")
        message.correlation_id = fields.get("correlation_id")
        message.content_type = fields.get("content_type")
        message.content_encoding = fields.get("content_encoding")
        message.custom_properties = fields.get("properties", {})
        client.send_message(message)
        say(sent=fields["body"])
    elif "report" in order:
        client.patch_twin_reported_properties(order["report"])
        say(twin=client.get_twin())
    else:
        client.on_message_received = show
        say(listening=True)


def show(message: Any) -> None:
    say(
        command={
            "body": message.data.decode(),
            "message_id": message.message_id,
            "correlation_id": message.correlation_id,
            "content_type": message.content_type,
            "content_encoding": message.content_encoding,
            "expiry_time_utc": message.expiry_time_utc,
            "ack": message.ack,
            "properties": message.custom_properties,
        }
    )


if __name__ == "__main__":
    main()
