"""Who is in a consumer group, by the word of its coordinator."""

import logging
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from ingest.kafka.client import new_admin
from ingest.timing import Clock

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient, ConsumerGroupDescription  # type: ignore[attr-defined]

Place = tuple[str, int]
"""(topic, partition)"""
Members = Mapping[str, Collection[Place]]
"""Name of a member → its partitions."""

SECONDS: Final = 10.0
"""Between two questions."""
SOON_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 10.0

logger = logging.getLogger(__name__)


class GroupMembers:
    """Asks again and again. One thread calls it, and never waits."""

    def __init__(self, chosen: Mapping[str, Any], group: str, *, clock: Clock = time.monotonic) -> None:
        """`chosen`: librdkafka's settings."""
        self.members: Members | None = None
        """The last answer; None before the first."""
        self._chosen = chosen
        self._group = group
        self._clock = clock
        self._admin: AdminClient | None = None
        self._question: Future[Any] | None = None
        self._ask_at = 0.0

    def soon(self) -> None:
        """Asks in a moment, when the group has settled, and not only in `SECONDS`."""
        self._ask_at = min(self._ask_at, self._clock() + SOON_SECONDS)

    def poll(self) -> bool:
        """Asks when that is due. Returns whether a new answer has come. Raises Unreachable if the machine has no room for a
        client; brokers cause no error: the last answer holds."""
        if self._question is None:
            if self._clock() < self._ask_at:
                return False
            self._ask_at = self._clock() + SECONDS
            self._admin = self._admin or new_admin(self._chosen, error_cb=lambda _: None)
            asked = self._admin.describe_consumer_groups([self._group], request_timeout=ANSWER_SECONDS)
            self._question = asked[self._group]
            return False
        if not self._question.done():
            return False
        question, self._question = self._question, None
        error = question.exception()
        if error is not None:
            logger.debug("Who is in the group %s: %s", self._group, error)
            return False
        before, self.members = self.members, _members(question.result())
        return self.members != before


def _members(described: "ConsumerGroupDescription") -> Members:
    """Members with the same name are told apart by what the coordinator calls them."""
    found: dict[str, Collection[Place]] = {}
    for member in described.members:
        name = member.client_id if member.client_id not in found else member.member_id
        found[name] = sorted((each.topic, each.partition) for each in member.assignment.topic_partitions)
    return found
