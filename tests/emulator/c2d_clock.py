"""A clock that stands until it is moved, and messages as services make them."""

from typing import Any

from ingest.amqp.message import Data, Message, Properties

NOW = 1_700_000_000.0


class FakeClock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def message(device_id: str = "d", body: bytes = b"x", *, ack: str | None = None, **system: Any) -> Message:
    properties = Properties(to=f"/devices/{device_id}/messages/devicebound", **system)
    own = {} if ack is None else {"iothub-ack": ack}
    return Message(properties=properties, application_properties=own, body=Data((body,)))
