"""The dead letters of events: the content as it came, and in headers the position in the hub and all other data."""

import logging
from collections.abc import Callable, Sequence

from ingest.config import Config
from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import DeadLetter, dead_letter, utf8
from ingest.kafka.dead_letters.topic import DeadLetterTopic
from ingest.kafka.header_names import Header
from ingest.logs import Repeated
from ingest.source.events.event import Event, carried
from ingest.source.events.received import Received
from ingest.source.formats.raw import RawFormat

logger = logging.getLogger(__name__)


class Letters:
    """Makes the dead letters of one partition, and says so in the log."""

    def __init__(self, config: Config, partition: str) -> None:
        self._topic = config.source.dead_letter_topic
        self._event_hub = config.hub.event_hub.event_hub if config.hub.event_hub else None
        self._partition = partition
        self._format = RawFormat(partition)
        self._repeated = Repeated()

    def of(self, received: Received, why: Undeliverable) -> DeadLetter:
        event = received.whole()
        held = self._repeated.admit(why.reason)
        if held is not None:
            more = f" ({held} more like it)" if held else ""
            logger.error(
                "Partition %s, offset %s: %s. The event goes to %s%s.",
                self._partition,
                event.offset,
                str(why).rstrip("."),
                self._topic,
                more,
            )
        position = {
            "event-hub": self._event_hub,
            "partition": self._partition,
            "offset": event.offset,
            "sequence-number": event.sequence_number,
            "enqueued-ms": event.enqueued_ms,
            "body-kind": event.body_kind,
            "device-id": event.device_id,
            "content-type": event.labels.content_type,
        }
        key, own = self._key_and_headers(event)
        return dead_letter(key, event.body, why.reason, str(why), position, own)

    def _key_and_headers(self, event: Event) -> tuple[bytes | None, Sequence[Header]]:
        """Returns those of format `raw`, from which `ingest redrive` restores the event."""
        try:
            key, _, headers, _ = self._format.encode(carried(event))
        except Exception:  # a dead letter must not fail for the cause that made it one
            device = event.device_id
            return None if device is None else utf8(device), ()
        return key, headers or ()


class DeadLetters:
    """Writes events to `source.dead_letter_topic`. An event is done once Kafka has acknowledged its dead letter."""

    def __init__(self, config: Config, partition: str) -> None:
        self.topic = DeadLetterTopic(
            config.kafka, config.source.dead_letter_topic, client_id=f"ingest-source-{partition}-dead"
        )
        self._letters = Letters(config, partition)

    def send(self, received: Received, why: Undeliverable, done: Callable[[], None]) -> None:
        """Calls `done` once the dead letter is safe."""
        self.topic.send(self._letters.of(received, why), why.reason, done)
