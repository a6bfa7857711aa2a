"""Delivery feedback: the outcome of each command, in batches for the service. Pure, clock passed in.

Source: "Send cloud-to-device messages from an IoT hub", message feedback, Microsoft Learn. A batch leaves with 64
records, or 15 seconds after its first record; it lives for an hour, with locks of a minute and 10 deliveries.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Final

import orjson

from ingest.amqp.message import Data, Message, Properties
from ingest.amqp.types import Timestamp
from ingest.emulator.c2d.lock_queue import Entry, LockQueue, QueueFull
from ingest.emulator.c2d.message import Command
from ingest.emulator.conditions import End
from ingest.emulator.telemetry.layout import generation_id

BATCH_RECORDS: Final = 64
BATCH_SECONDS: Final = 15.0
LIVES_SECONDS: Final = 3600.0
LOCK_SECONDS: Final = 60.0
MAX_DELIVERIES: Final = 10
MOST_BATCHES: Final = 10_000
CONTENT_TYPE: Final = "application/vnd.microsoft.iothub.feedback.json"


def is_wanted(ack: str, end: End) -> bool:
    """Whether a sender that asked for `ack` gets feedback about this end."""
    return ack == "full" or ack == ("positive" if end is End.COMPLETED else "negative")


def record(command: Command, end: End, now: float) -> dict[str, str | None]:
    """Returns one entry of a batch, in IoT Hub's words."""
    time = datetime.fromtimestamp(now, UTC)
    return {
        "originalMessageId": command.message_id,
        "description": end.value,
        "deviceGenerationId": generation_id(command.device_id),
        "deviceId": command.device_id,
        "enqueuedTimeUtc": f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z",
        "statusCode": end.value,
    }


class Feedback:
    """Collects records into batches and lends those to receivers."""

    def __init__(self, hub_name: str) -> None:
        self._hub_name = hub_name
        self._records: list[dict[str, str | None]] = []
        self._first_at = 0.0
        self._batches: LockQueue[bytes] = LockQueue(
            limit=MOST_BATCHES, lock_seconds=LOCK_SECONDS, max_deliveries=MAX_DELIVERIES, ended=self._ended
        )
        self.records = 0
        """Records made so far."""
        self.batch_ends: Counter[End] = Counter()
        self.dropped = 0
        """Batches for which the queue had no room, because no receiver fetches them."""

    @property
    def waiting(self) -> int:
        """Batches that are not locked."""
        return self._batches.ready

    def add(self, command: Command, end: End, now: float) -> None:
        """Note the end of a command if its sender asked for feedback about it."""
        if not is_wanted(command.ack, end):
            return
        if not self._records:
            self._first_at = now
        self._records.append(record(command, end, now))
        self.records += 1
        if len(self._records) >= BATCH_RECORDS:
            self.flush(now)

    def tick(self, now: float) -> None:
        """Release a batch that has waited long enough, and take back expired locks."""
        self._batches.tick(now)
        if self._records and now - self._first_at >= BATCH_SECONDS:
            self.flush(now)

    def take(self, now: float) -> tuple[str, bytes] | None:
        """Locks the oldest free batch and returns its lock token and encoded message; None if there is none."""
        entry = self._batches.take(now)
        return None if entry is None else (entry.lock_token, entry.item)

    def complete(self, lock_token: str, now: float) -> None:
        """Raises LockLost."""
        self._batches.complete(lock_token, now)

    def abandon(self, lock_token: str, now: float) -> None:
        """Raises LockLost."""
        self._batches.abandon(lock_token, now)

    def release(self, lock_token: str, now: float) -> None:
        """Put back the batch of a receiver that is gone. Raises LockLost."""
        self._batches.release(lock_token, now)

    def flush(self, now: float) -> None:
        """Release the records collected so far as a batch now."""
        if not self._records:
            return
        records, self._records = self._records, []
        message = Message(
            message_annotations={"iothub-enqueuedtime": Timestamp(int(now * 1000))},
            properties=Properties(
                user_id=self._hub_name.encode(), content_type=CONTENT_TYPE, creation_time=int(now * 1000)
            ),
            body=Data((orjson.dumps(records),)),
        )
        try:
            self._batches.put(message.encode(), now + LIVES_SECONDS, now)
        except QueueFull:
            self.dropped += 1

    def _ended(self, entry: Entry[bytes], end: End, now: float) -> None:
        self.batch_ends[end] += 1
