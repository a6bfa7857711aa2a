"""Messages as the hub lays them out, in memory: for what is measured without a hub."""

import time
from collections.abc import Iterator

from ingest.amqp.message import Data, Message
from ingest.amqp.types import Timestamp
from ingest.emulator.hub import Hub
from ingest.emulator.telemetry import Fleet

LEAN_FRAME_BYTES = 200
"""Smaller than what IoT Hub makes: a short device id, the hub's time and the position leave a few bytes of body."""
_LEAN_BODY_BYTES = 7
_OVERHEAD_BYTES = 481
"""Frame, IoT Hub's annotations, a content type and one property."""


def body_bytes(frame_bytes: int) -> int:
    """The body of an event of IoT Hub whose transfer frame has this size."""
    return frame_bytes - _OVERHEAD_BYTES


def lean_messages(events: int, devices: int) -> Iterator[tuple[int, Message]]:
    """Device numbers in turn, and a message of each with IoT Hub's annotations as far as they fit."""
    for number in range(events):
        device = number % devices
        annotations = {
            "iothub-connection-device-id": f"d{device:04d}",
            "iothub-enqueuedtime": Timestamp(time.time_ns() // 1_000_000),
        }
        body = f"{number % 10**_LEAN_BODY_BYTES:0{_LEAN_BODY_BYTES}d}".encode()
        yield device, Message(message_annotations=annotations, body=Data((body,)))


def payloads(frame_bytes: int, events: int, devices: int) -> list[bytes]:
    """What stands behind the transfer performative, of events of one partition, in order."""
    hub = Hub(name="bench", partitions=1, consumer_groups=())
    if frame_bytes == LEAN_FRAME_BYTES:
        for _, message in lean_messages(events, devices):
            hub.append("0", message)
    else:
        for device_id, body, properties in Fleet(devices, body_bytes=body_bytes(frame_bytes)).take(events):
            hub.publish(
                device_id, body, properties=properties, content_type="application/json", content_encoding="utf-8"
            )
    return hub.read("0", 0, events)[1]
