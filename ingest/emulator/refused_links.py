"""Links that other parts of Azure serve and this hub does not: refused with what to do instead."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ingest.amqp.performatives import RECEIVER, SENDER, Attach
from ingest.emulator import conditions
from ingest.emulator.conditions import Condition
from ingest.emulator.link import Link, LinkRefused

if TYPE_CHECKING:
    from ingest.emulator.server import AmqpServer
    from ingest.emulator.session import Session

DEVICES: Final = (
    "ErrorCode:NotImplemented;Devices are served over MQTT (port 8883) and HTTPS here, not over AMQP: "
    "choose one of these transports in the device's client."
)
_DEVICE = re.compile(r"devices/.+")


def refuse(server: "AmqpServer", event_hub: str, control: Callable[[], str]) -> None:
    """Let `server` refuse links of Event Hubs producers and of AMQP devices. `control()`: the control endpoint's URL."""
    hub = event_hub.lower()

    def is_event_hub(path: str) -> bool:
        return path == hub or path.startswith((f"{hub}/partitions/", f"{hub}/publishers/"))

    def is_device(path: str) -> bool:
        return _DEVICE.fullmatch(path) is not None

    def producer(session: "Session", attach: Attach) -> Link:
        raise LinkRefused(conditions.unauthorized(no_producers(event_hub, control())))

    def device(session: "Session", attach: Attach) -> Link:
        raise LinkRefused(Condition(conditions.NOT_IMPLEMENTED, DEVICES))

    server.route(is_event_hub, SENDER, producer)
    server.route(is_device, SENDER, device)
    server.route(is_device, RECEIVER, device)


def no_producers(event_hub: str, control: str) -> str:
    """IoT Hub's built-in endpoint gives its policies no right to send."""
    return (
        f"Unauthorized access. 'Send' claim(s) are required to perform this operation. Resource: '{event_hub}'. "
        "IoT Hub takes events from devices alone: send as a device over MQTT or HTTPS, or put events in with "
        f"POST {control}/send."
    )
