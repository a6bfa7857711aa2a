"""One feedback message of IoT Hub → what became of which command, and the Kafka records that say so. Pure.

Source: "Send cloud-to-device messages from an IoT hub", message feedback, Microsoft Learn: the body is a JSON array.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from ingest.sink.commands.quoting import clip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Feedback(NamedTuple):
    """The end of one command, as the hub saw it."""

    message_id: str
    device_id: str
    status: str
    """The hub's code: Success, Expired, DeliveryCountExceeded, Rejected or Purged."""
    description: str | None
    generation_id: str | None
    """Distinguishes a device from a deleted one with the same id."""
    enqueued_ms: int
    """When the end came, Unix milliseconds."""

    @property
    def key(self) -> bytes:
        return self.device_id.encode()

    @property
    def value(self) -> bytes:
        seconds, milliseconds = divmod(self.enqueued_ms, 1000)
        return orjson.dumps(
            {
                "messageId": self.message_id,
                "deviceId": self.device_id,
                "status": self.status,
                "description": self.description,
                "enqueuedTime": f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z",
                "deviceGenerationId": self.generation_id,
            }
        )


class Batch(NamedTuple):
    """One message of the hub, read."""

    records: list[Feedback]
    problem: str | None
    """What is wrong with the message, or with its first bad record; None if nothing is."""


def parse_feedback(body: bytes) -> Batch:
    """Returns every readable record, however bad its neighbours are. Raises nothing."""
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Batch([], f"the message is not JSON ({error})")
    if not isinstance(entries, list):
        return Batch([], f"the message is JSON and no array but {clip(entries)}")
    records, problem = [], None
    for index, entry in enumerate(entries):
        try:
            records.append(_feedback(entry))
        except ValueError as error:
            problem = problem or f"record {index} of {len(entries)}: {error}"
    return Batch(records, problem)


def read_back(value: bytes) -> tuple[str, str, str, int] | None:
    """Returns (device id, message id, status, enqueued time in Unix ms) of a record of `Feedback.value`; else None."""
    try:
        record = orjson.loads(value)
        if not isinstance(record, dict):
            return None
        return (
            _text(record, "deviceId"),
            _text(record, "messageId"),
            _text(record, "status"),
            _time(record, "enqueuedTime"),
        )
    except ValueError:
        return None


def _feedback(entry: object) -> Feedback:
    if not isinstance(entry, dict):
        raise ValueError(f"it is no object but {clip(entry)}")
    # The hub's documentation shows the names with a small first letter in its example and a capital one in its table.
    fields = {name[:1].lower() + name[1:]: value for name, value in entry.items()}
    return Feedback(
        message_id=_text(fields, "originalMessageId"),
        device_id=_text(fields, "deviceId"),
        status=_text(fields, "statusCode"),
        description=_optional(fields, "description"),
        generation_id=_optional(fields, "deviceGenerationId"),
        enqueued_ms=_time(fields, "enqueuedTimeUtc"),
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {clip(value)} and should be text")
    return value


def _optional(fields: Mapping[str, object], name: str) -> str | None:
    return None if fields.get(name) in (None, "") else _text(fields, name)


def _time(fields: Mapping[str, object], name: str) -> int:
    text = _text(fields, name)
    try:
        time = datetime.fromisoformat(text)
        # Without a zone it is UTC, as the name says; with one, the first and last days of the calendar overflow.
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is {clip(text)} and should be a time such as 2015-07-28T16:24:48.789Z") from None
    since = time - _EPOCH
    milliseconds = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    if milliseconds < 0:
        raise ValueError(f"{name} is {clip(text)}, before 1970")
    return milliseconds
