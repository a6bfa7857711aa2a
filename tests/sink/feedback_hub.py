"""An emulated hub for tests of feedback: its address, and commands that come to an end."""

from collections.abc import Iterable

from ingest.amqp.message import Data, Message, Properties
from ingest.emulator import Emulator
from ingest.emulator.keys import POLICY

SECONDS = 30.0


def connection_string(emulator: Emulator, key: str | None = None) -> str:
    port = emulator.endpoints.amqps.rpartition(":")[2]
    return f"HostName=localhost:{port};SharedAccessKeyName={POLICY};SharedAccessKey={key or emulator.keys.service}"


def command(device_id: str, message_id: str) -> Message:
    return Message(
        properties=Properties(message_id=message_id, to=f"/devices/{device_id}/messages/devicebound"),
        application_properties={"iothub-ack": "full"},
        body=Data((b"x",)),
    )


def end_commands(emulator: Emulator, ids: Iterable[tuple[str, str]]) -> None:
    """Sends a command to each (device id, message id), whose device completes it; the hub then has one batch."""
    emulator.c2d.auto_complete()

    async def send() -> None:
        for device_id, message_id in ids:
            assert emulator.c2d.hub.send(command(device_id, message_id)) is None

    emulator.submit(send()).result(SECONDS)
    emulator.c2d.flush_feedback()
