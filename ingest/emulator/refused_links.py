"""Links that this hub does not serve, or not here: the refusal says what to do instead."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ingest.amqp.performatives import RECEIVER, SENDER, Attach, Source
from ingest.amqp.types import UInt
from ingest.emulator import conditions
from ingest.emulator.amqp.authorization import DEVICES, IOT_HUB
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.conditions import Condition, LinkRefused

if TYPE_CHECKING:
    from ingest.emulator.server import AmqpServer

_DEVICE = re.compile(r"devices/.+")
_EVENTS = re.compile(r"messages/events(?P<rest>/.*)?")
_PORT = 5671


def refuse(server: "AmqpServer", event_hub: str, control: Callable[[], str]) -> None:
    """Let `server` refuse links of Event Hubs producers and of AMQP devices, and send IoT Hub's readers to `event_hub`.

    `control()` gives the URL of the control endpoint.
    """
    hub = event_hub.lower()

    def is_event_hub(path: str) -> bool:
        return path == hub or path.startswith((f"{hub}/partitions/", f"{hub}/publishers/"))

    def is_device(path: str) -> bool:
        return _DEVICE.fullmatch(path) is not None

    def is_reader(path: str) -> bool:
        return _EVENTS.fullmatch(path) is not None

    def producer(session: LinkOwner, attach: Attach) -> Link:
        raise LinkRefused(conditions.unauthorized(no_producers(event_hub, control())))

    def device(session: LinkOwner, attach: Attach) -> Link:
        raise LinkRefused(Condition(conditions.NOT_IMPLEMENTED, DEVICES))

    def reader(session: LinkOwner, attach: Attach) -> Link:
        refusal = session.peer.authorization.refusal(f"{IOT_HUB}/messages/events")
        if refusal is not None:
            raise LinkRefused(conditions.unauthorized(refusal))
        address = str(attach.source.address) if isinstance(attach.source, Source) else ""
        raise _redirect(event_hub, session.peer.host_name, address)

    server.route(is_event_hub, SENDER, producer)
    server.route(is_device, SENDER, device)
    server.route(is_device, RECEIVER, device)
    server.route(is_reader, RECEIVER, reader)


def no_producers(event_hub: str, control: str) -> str:
    """Returns the refusal of producers: IoT Hub's built-in endpoint gives its policies no right to send."""
    return (
        f"Unauthorized access. 'Send' claim(s) are required to perform this operation. Resource: '{event_hub}'. "
        "IoT Hub takes events from devices alone: send as a device over MQTT or HTTPS, or put events in with "
        f"POST {control}/send."
    )


def _redirect(event_hub: str, host: str, address: str) -> LinkRefused:
    """Returns where the events of IoT Hub's `messages/events/…` are, as IoT Hub does ("amqp:link:redirect")."""
    rest = re.sub(r"^.*messages/events", "", address, flags=re.IGNORECASE)
    text = f"The events are at the Event Hub-compatible endpoint: EntityPath={event_hub} at sb://{host}/."
    info = {
        "hostname": host,
        "network-host": host,
        "port": UInt(_PORT),
        "address": f"amqps://{host}:{_PORT}/{event_hub}{rest}",
    }
    return LinkRefused(Condition(conditions.REDIRECT, text), info)
