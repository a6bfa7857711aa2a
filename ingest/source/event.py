"""One message of the Event Hub-compatible endpoint, whatever transport brought it.

Nearly everything in a telemetry message is the same from one message of a device to the next. What is (who sent it,
what it says besides its body) is held in two objects that events share, so that it is decoded and encoded once.
"""

import base64
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ingest.amqp.decimals import to_decimal
from ingest.amqp.types import Decimal32, Decimal64, Decimal128, Described
from ingest.source.progress import Position

HUB_TIME = "iothub-enqueuedtime"
"""The one annotation that changes with every event and is not a position: when the hub's front end took it."""


class Origin:
    """Who sent an event: its message annotations, without the position and times. Shared, never changed."""

    __slots__ = ("after", "as_headers", "as_json", "before", "device_id", "module_id")

    def __init__(
        self, device_id: str | None, module_id: str | None, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        self.device_id = device_id
        self.module_id = module_id
        self.before = before
        """Annotations in front of the hub's time, as JSON values, in the message's order."""
        self.after = after
        """Annotations behind it; all of them when there is no hub's time."""
        self.as_json: Any = None
        """What the record format `json` made of this object, and below `raw`; of no meaning to anybody else."""
        self.as_headers: Any = None


class Labels:
    """What an event says besides its body: the sections `properties` and `application-properties`. Shared."""

    __slots__ = (
        "as_headers",
        "as_json",
        "content_encoding",
        "content_type",
        "correlation_id",
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
    ) -> None:
        self.correlation_id = correlation_id
        self.content_type = content_type
        self.content_encoding = content_encoding
        self.system: Mapping[str, Any] = system or {}
        """The other fields of `properties`, such as `to` and `user-id`, by their AMQP names."""
        self.properties: Mapping[str, Any] = properties or {}
        """The application properties, as JSON values."""
        self.as_json: Any = None
        """As in `Origin`."""
        self.as_headers: Any = None


class Event(NamedTuple):
    """One device-to-cloud message. Property values are JSON values: str, int, float, bool, None, list, dict."""

    sequence_number: int
    offset: str
    enqueued_ms: int
    """When the hub stored it, Unix milliseconds."""
    body: bytes
    """The data sections joined; for any other kind of body the whole undecoded AMQP message."""
    body_kind: str
    """ "data", "value", "sequence" (AMQP 1.0 part 3.2.6 to 3.2.8), or "malformed": its position alone is known."""
    hub_ms: int | None
    """The annotation `HUB_TIME`; None when it is absent, which is then so for every event of the same origin."""
    message_id: str | None
    """The one label that may change with every event."""
    origin: Origin
    labels: Labels

    @property
    def position(self) -> Position:
        return Position(self.offset, self.sequence_number)

    @property
    def device_id(self) -> str | None:
        return self.origin.device_id

    @property
    def system_properties(self) -> dict[str, Any]:
        """The annotations but for position, device and module, then what `properties` has besides the usual."""
        hub = {} if self.hub_ms is None else {HUB_TIME: self.hub_ms}
        return {**self.origin.before, **hub, **self.origin.after, **self.labels.system}


def text(value: Any) -> str:
    """An AMQP scalar as text; bytes that are not UTF-8 as base64."""
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    return str(value)


def text_or_none(value: Any) -> str | None:
    return None if value is None else text(value)


def plain(value: Any) -> Any:
    """An AMQP value as a JSON value: strings, symbols and binaries alike → text (base64 when not UTF-8), timestamps →
    int (milliseconds), UUIDs and decimals → text, described values → what they describe, maps with text keys.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Decimal32 | Decimal64 | Decimal128):
        return str(to_decimal(value))
    if isinstance(value, bytes | bytearray | memoryview | uuid.UUID):
        return text(value)
    if isinstance(value, Described):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {text(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)
