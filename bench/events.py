"""The events of all benchmarks: what the hub's log holds before the clock starts."""

import time

from ingest.amqp.message import Data, Message
from ingest.amqp.types import Timestamp
from ingest.emulator.devices.fleet import Fleet
from ingest.emulator.telemetry.hub import Hub

LEAN_FRAME_BYTES = 200
"""Smaller than what IoT Hub makes: a short device id, the hub's time and the position leave a few bytes of body."""
_LEAN_BODY_BYTES = 7
_OVERHEAD_BYTES = 481
"""Frame, IoT Hub's annotations, a content type and one property."""
EVENTS_PER_SECOND = 1_875
"""The hub's times go on as if so many came to each partition: 60,000 to 32, which is the largest hub there is. Most events have a
millisecond of their own then. A log that is filled at once would have 80 in each, and that would make them cheaper."""


def body_bytes(frame_bytes: int) -> int:
    """The body of an event of IoT Hub whose transfer frame has this size."""
    return frame_bytes - _OVERHEAD_BYTES


def fill(hub: Hub, events: int, frame_bytes: int, devices: int) -> None:
    """Puts events of `devices` devices in turn into the hub's partitions, until now."""
    rate = EVENTS_PER_SECOND * len(hub.partitions)
    begin = time.time() - events / rate
    times = (int((begin + number / rate) * 1000) for number in range(events))
    if frame_bytes == LEAN_FRAME_BYTES:
        for number, enqueued_ms in enumerate(times):
            device = number % devices
            hub.append(str(device % len(hub.partitions)), _lean_message(number, device, enqueued_ms), enqueued_ms)
        return
    fleet = Fleet(devices, body_bytes=body_bytes(frame_bytes)).take(events)
    for (device_id, body, properties), enqueued_ms in zip(fleet, times, strict=True):
        hub.publish(
            device_id,
            body,
            properties=properties,
            content_type="application/json",
            content_encoding="utf-8",
            enqueued_at_ms=enqueued_ms,
        )


def _lean_message(number: int, device: int, enqueued_ms: int) -> Message:
    """One with IoT Hub's annotations as far as they fit."""
    annotations = {
        "iothub-connection-device-id": f"d{device:04d}",
        "iothub-enqueuedtime": Timestamp(enqueued_ms),
    }
    body = f"{number % 10**_LEAN_BODY_BYTES:0{_LEAN_BODY_BYTES}d}".encode()
    return Message(message_annotations=annotations, body=Data((body,)))


def payloads(frame_bytes: int, events: int, devices: int) -> list[bytes]:
    """What stands behind the transfer performative, of events of one partition, in order."""
    hub = Hub(name="bench", partitions=1, consumer_groups=())
    fill(hub, events, frame_bytes, devices)
    return hub.read("0", 0, events)[1]
