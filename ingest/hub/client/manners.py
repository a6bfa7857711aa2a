"""How the stock Python clients introduce themselves, so that the service sees the same frames from us.

The order of attaches, their numbers and a few fields differ between azure-eventhub (Event Hubs) and uamqp (commands and
feedback); none of it means anything, and a service that has seen nothing else for years is a service that takes it.
"""

import calendar
import platform
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ingest.amqp.performatives import RECEIVER, SENDER, UNSETTLED, Attach, Open, Source, Target
from ingest.amqp.sasl import ANONYMOUS, MSSBCBS, SaslClient
from ingest.amqp.types import Described, Symbol
from ingest.hub.position import StartAt

FIRST: Final = 0
"""`rcv_settle_mode`: settled as soon as the receiver says so (AMQP 1.0 part 2.8.3)."""
SECOND: Final = 1
MESSAGE_BYTES: Final = 1_048_576
NODE_CREDIT: Final = 10_000
"""What is granted on links from `$cbs` and `$management`."""
SELECTOR: Final = "apache.org:selector-filter:string"
EVENT_HUBS_RELEASE: Final = "5.15.1"
"""Of azure-eventhub, whose manners these are; the AMQP client in it has a number of its own."""
_EVENT_HUBS_AMQP: Final = "pyamqp/2.0.0a1"
CHANNEL_MAX: Final = 65_535


@dataclass(frozen=True, kw_only=True)
class Manner:
    """One client's habits."""

    mechanism: str
    initial_response: bytes | None
    tells_host: bool
    """Whether SASL names the host."""
    max_frame_size: int
    channel: int
    first_handle: int
    receiver_first: bool
    """Of the two links to a node; the sender has the lower handle in any case."""
    announces: bool
    """Whether the sender to a node sends a flow as well."""
    node_message_bytes: int | None
    named_after_node: bool

    def sasl(self, host: str) -> SaslClient:
        return SaslClient(self.mechanism, self.initial_response, host if self.tells_host else None)

    def open(
        self, host: str, *, container_id: str, idle_seconds: float | None, properties: Mapping[Any, Any] | None = None
    ) -> Open:
        return Open(
            container_id=container_id,
            hostname=host,
            max_frame_size=self.max_frame_size,
            channel_max=CHANNEL_MAX,
            idle_time_out=None if idle_seconds is None else round(idle_seconds * 1000),
            properties=None if properties is None else dict(properties),
        )

    def to_node(self, node: str, role: bool) -> Attach:
        """A link to or from `$cbs` or `$management`."""
        side = "receiver" if role is RECEIVER else "sender"
        return Attach(
            name=f"{node}-{side}" if self.named_after_node else str(uuid.uuid4()),
            handle=0,
            role=role,
            snd_settle_mode=UNSETTLED,
            rcv_settle_mode=FIRST,
            source=Source(address=node),
            target=Target(address=node),
            initial_delivery_count=0 if role is SENDER else None,
            max_message_size=self.node_message_bytes,
        )


EVENT_HUBS: Final = Manner(
    mechanism=ANONYMOUS,
    initial_response=b"",
    tells_host=True,
    max_frame_size=1_048_576,
    channel=1,
    first_handle=1,
    receiver_first=True,
    announces=True,
    node_message_bytes=None,
    named_after_node=False,
)
IOT_HUB: Final = Manner(
    mechanism=MSSBCBS,
    initial_response=None,
    tells_host=False,
    max_frame_size=65_536,
    channel=0,
    first_handle=0,
    receiver_first=False,
    announces=False,
    node_message_bytes=0,
    named_after_node=True,
)


def commands(host: str, container_id: str) -> Attach:
    """The link that commands go out on."""
    return Attach(
        name=f"sender-link-{uuid.uuid4()}",
        handle=0,
        role=SENDER,
        snd_settle_mode=UNSETTLED,
        rcv_settle_mode=SECOND,
        source=Source(address=container_id),
        target=Target(address=f"amqps://{host}/messages/devicebound"),
        initial_delivery_count=0,
        max_message_size=MESSAGE_BYTES,
    )


def feedback(host: str, container_id: str) -> Attach:
    """The link that feedback comes in on."""
    return _from_service(f"amqps://{host}/messages/serviceBound/feedback", container_id, SECOND)


def whereabouts(host: str, container_id: str) -> Attach:
    """A link for the hub's events, which it redirects to its Event Hub-compatible endpoint."""
    return _from_service(f"amqps://{host}/messages/events/$management", container_id, FIRST)


def _from_service(address: str, container_id: str, settles: int) -> Attach:
    """`settles`: in which step this side does."""
    return Attach(
        name=f"receiver-link-{uuid.uuid4()}",
        handle=0,
        role=RECEIVER,
        snd_settle_mode=UNSETTLED,
        rcv_settle_mode=settles,
        source=Source(address=address),
        target=Target(address=container_id),
        max_message_size=MESSAGE_BYTES,
    )


def selector(expression: str) -> dict[Any, Any]:
    """A filter that the service evaluates, such as `amqp.annotation.x-opt-offset > '17'`."""
    return {Symbol(SELECTOR): Described(Symbol(SELECTOR), expression)}


def events(address: str, start: StartAt, *, owner_level: int | None, tracks_newest: bool) -> Attach:
    """The link that the events of one partition come in on.

    `address`: the partition's own. `owner_level`: of two readers the hub lets the one with the higher in; None: it throws out
    nobody. `tracks_newest`: whether each event is to tell the partition's newest one.
    """
    name = str(uuid.uuid4())
    epoch = {} if owner_level is None else {Symbol("com.microsoft:epoch"): owner_level}
    newest = (Symbol("com.microsoft:enable-receiver-runtime-metric"),) if tracks_newest else ()
    return Attach(
        name=name,
        handle=0,
        role=RECEIVER,
        snd_settle_mode=UNSETTLED,
        rcv_settle_mode=FIRST,
        source=Source(address=address, filter=selector(_behind(start))),
        target=Target(address=f"receiver-link-{name}"),
        max_message_size=MESSAGE_BYTES,
        desired_capabilities=(*newest, Symbol("com.microsoft:georeplication")),
        properties={**epoch, Symbol("com.microsoft:timeout"): 0},
    )


def event_hubs_properties() -> dict[Any, Any]:
    """What azure-eventhub says of itself when it opens a connection for events."""
    product, machine = "azsdk-python-eventhubs", platform.platform()
    framework = f"Python/{'.'.join(map(str, sys.version_info[:3]))}"
    return {
        Symbol("product"): product,
        Symbol("version"): EVENT_HUBS_RELEASE,
        Symbol("framework"): framework,
        Symbol("platform"): machine,
        Symbol("user-agent"): f"{product}/{EVENT_HUBS_RELEASE} {_EVENT_HUBS_AMQP} {framework} ({machine})",
    }


def _behind(start: StartAt) -> str:
    """The expression that picks the events from there on."""
    position, operator = start.position, ">=" if start.inclusive else ">"
    match position:
        case datetime():
            milliseconds = calendar.timegm(position.utctimetuple()) * 1000 + position.microsecond // 1000
            return f"amqp.annotation.x-opt-enqueued-time {operator} '{milliseconds}'"
        case int():
            return f"amqp.annotation.x-opt-sequence-number {operator} '{position}'"
        case _:
            return f"amqp.annotation.x-opt-offset {operator} '{position}'"
