"""How large a record the telemetry topic takes now: its owner can change that while ingest runs."""

import logging
from collections.abc import Callable

from ingest.config import Config
from ingest.kafka.record_limit import max_record_bytes
from ingest.timing import Clock

LIMIT_SECONDS = 5.0
"""Time-out for asking."""
LOOK_SECONDS = 10.0
"""The shortest interval for asking."""

logger = logging.getLogger(__name__)


class TopicLimit:
    """Asks the topic again, but not too often."""

    def __init__(self, topic: str, ask: Callable[[], int | None] | None, clock: Clock) -> None:
        """`ask`: None if there is no use in it."""
        self._topic = topic
        self._ask = ask
        self._clock = clock
        self._asked_at = float("-inf")

    @property
    def may_look(self) -> bool:
        return self._ask is not None and self._clock() - self._asked_at >= LOOK_SECONDS

    def changed(self, known: int) -> int | None:
        """Returns the topic's limit in bytes if it is another one than `known`; None if not, or if it is not asked now."""
        if self._ask is None or not self.may_look:
            return None
        self._asked_at = self._clock()
        found = self._ask()
        if found is None or found == known:
            return None
        logger.warning("Topic %s takes records of %d bytes now, not %d.", self._topic, found, known)
        return found


def topic_limit(config: Config) -> int | None:
    """Returns the topic's limit in bytes, or what the user allows if that is less; None if the cluster does not tell."""
    found = max_record_bytes(config.kafka, config.source.topic, LIMIT_SECONDS)
    own = config.kafka.librdkafka.get("message.max.bytes")
    return found if found is None or own is None else min(found, int(str(own)))
