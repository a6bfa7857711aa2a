"""One message of the Event Hub-compatible endpoint, whatever transport brought it.

Nearly everything in a telemetry message is the same from one message of a device to the next. That part (who sent it,
what it says besides its body) is held in two objects that events share, so it is decoded and encoded once.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ingest.hub.position import Position

HUB_TIME = "iothub-enqueuedtime"
"""When the hub's front end took the event: the only annotation besides the position that changes with every event."""
PARTITION_KEY = "x-opt-partition-key"
"""The annotation by which a sender that is not a device keeps its events in order."""


DATA = "data"
MALFORMED = "malformed"
"""Only the position is known, and the content is the whole undecoded message."""
AMQP_MESSAGE = "amqp-message"
"""The same, but the message is already known to be undecodable, and is delivered all the same."""
JSON_BODIES = AMQP_VALUE, AMQP_SEQUENCE, AMQP_SECTIONS = ("amqp-value", "amqp-sequence", "amqp-sections")
"""Bodies that are values, not bytes (AMQP 1.0 part 3.2.7 and 3.2.8): one value; the rows of all sequence sections; or
sections that do not belong together, each as a described value."""


BODY_KINDS = frozenset((DATA, *JSON_BODIES, AMQP_MESSAGE))
"""The kinds that a record can carry. It names each except the first, in `bodyType`."""


NOT_ENCODED: tuple[Any, ...] = (None,)
"""No record format has cached anything yet."""


class Origin:
    """Who sent an event: its message annotations, without the position and times. Shared, never changed."""

    __slots__ = ("after", "before", "device_id", "encoded", "is_timed", "module_id")

    def __init__(
        self, device_id: str | None, module_id: str | None, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        self.device_id = device_id
        self.module_id = module_id
        self.before = before
        """Annotations in front of the hub's time, as `ingest.source.events.values.plain` makes them, in the message's order."""
        self.after = after
        """Annotations after it; all of them if the hub's time is missing."""
        self.is_timed = True
        """Whether the message says when the hub stored it, as the hub's own do; if not, `Event.enqueued_ms` is 0."""
        self.encoded: tuple[Any, ...] = NOT_ENCODED
        """What one record format caches here: its class, to recognize its own entry, and the encoded form."""

    @property
    def key(self) -> bytes | None:
        """The Kafka key that keeps the sender's order: the device id, else the partition key; None without either."""
        if self.device_id is not None:
            return self.device_id.encode()
        value = self.before.get(PARTITION_KEY, self.after.get(PARTITION_KEY))
        return value.encode() if isinstance(value, str) else None


class Labels:
    """What an event says besides its content: the sections `properties` and `application-properties`, and the kind of its
    body. Shared, never changed."""

    __slots__ = (
        "body_kind",
        "content_encoding",
        "content_type",
        "correlation_id",
        "encoded",
        "first_data",
        "properties",
        "system",
    )

    def __init__(
        self,
        correlation_id: str | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        system: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        body_kind: str = DATA,
        first_data: bytes | None = None,
    ) -> None:
        self.first_data = first_data
        """The first data section if a body begins with one and has more sections; None of any other body."""
        self.body_kind = body_kind
        """DATA for content as the sender wrote it; JSON_BODIES; AMQP_MESSAGE; or MALFORMED."""
        self.correlation_id = correlation_id
        self.content_type = content_type
        self.content_encoding = content_encoding
        self.system: Mapping[str, Any] = system or {}
        """The other fields of `properties`, such as `to` and `user-id`, by their AMQP names; and the usual ones again,
        such as `message-id`, where they are not text."""
        self.properties: Mapping[str, Any] = properties or {}
        """The application properties, as `ingest.source.events.values.plain` makes them."""
        self.encoded: tuple[Any, ...] = NOT_ENCODED
        """Like `Origin.encoded`."""


def carried(event: "Event") -> "Event":
    """Returns the event; a malformed one becomes an AMQP_MESSAGE, which records can carry."""
    if event.body_kind in BODY_KINDS:
        return event
    return event._replace(labels=Labels(body_kind=AMQP_MESSAGE))


class Event(NamedTuple):
    """One device-to-cloud message. Property values are JSON values: str, int, float, bool, None, list, dict."""

    sequence_number: int
    offset: str
    enqueued_ms: int
    """When the hub stored it, Unix milliseconds."""
    body: bytes
    """The content: the data sections joined, or the one text or binary that is an amqp-value; of any other body its JSON.
    The whole undecoded AMQP message when that is malformed."""
    hub_ms: int | None
    """The annotation `HUB_TIME`; None if absent, which then holds for every event of the same origin."""
    message_id: str | None
    """The only label that can change with every event."""
    origin: Origin
    labels: Labels

    @property
    def position(self) -> Position:
        return Position(self.offset, self.sequence_number)

    @property
    def size(self) -> int:
        return len(self.body)

    def whole(self) -> "Event":
        """Returns the event itself: see `ingest.source.events.received`."""
        return self

    @property
    def body_kind(self) -> str:
        return self.labels.body_kind

    @property
    def device_id(self) -> str | None:
        return self.origin.device_id

    @property
    def system_properties(self) -> dict[str, Any]:
        """The annotations except position, device and module, then the unusual fields of `properties`."""
        hub = {} if self.hub_ms is None else {HUB_TIME: self.hub_ms}
        return {**self.origin.before, **hub, **self.origin.after, **self.labels.system}
