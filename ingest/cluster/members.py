"""Who is in a consumer group, asked again and again."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException

from ingest.errors import IngestError
from ingest.kafka import group_readers
from ingest.kafka.client import new_admin
from ingest.kafka.group_readers import Place, places

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

Members = Mapping[str, Collection[Place]]
"""Name of a member → its partitions."""

SECONDS: Final = 10.0
"""Between two questions."""
SOON_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)


class GroupMembers:
    """Asks again and again, on a thread of its own, which dies with the process. `start`, `close`."""

    def __init__(
        self,
        chosen: Mapping[str, Any],
        group: str,
        *,
        changed: Callable[[], None] = lambda: None,
        useful: Callable[[], bool] = lambda: True,
    ) -> None:
        """`chosen`: librdkafka's settings. `changed` is called on the thread when the answer is another than before. `useful`:
        whether an answer can be expected now."""
        self.members: Members | None = None
        """The last answer; None before the first."""
        self._chosen = chosen
        self._group = group
        self._changed = changed
        self._useful = useful
        self._condition = threading.Condition()
        self._soon = True
        self._closing = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="group-members", daemon=True).start()

    def soon(self) -> None:
        """Asks in a moment, when the group has settled, and not only in `SECONDS`."""
        with self._condition:
            self._soon = True
            self._condition.notify_all()

    def close(self) -> None:
        with self._condition:
            self._closing = True
            self._condition.notify_all()

    def _run(self) -> None:
        admin: AdminClient | None = None
        while not self._closing:
            with self._condition:
                self._condition.wait_for(lambda: self._soon or self._closing, SECONDS)
                self._condition.wait_for(lambda: self._closing, SOON_SECONDS)
                self._soon = False
            if self._closing or not self._useful():
                continue
            try:
                admin = admin or new_admin(self._chosen, error_cb=lambda _: None)
                found = group_readers.members(admin, self._group, ANSWER_SECONDS)
            except (KafkaException, IngestError, RuntimeError) as error:  # the last answer holds
                logger.debug("Who is in the group %s: %s", self._group, error)
                continue
            self._take(found)

    def _take(self, described: Collection[Any]) -> None:
        """Members with the same name are told apart by what the coordinator calls them."""
        members: dict[str, Collection[Place]] = {}
        for member in described:
            name = member.client_id if member.client_id not in members else member.id
            members[name] = places(member.assignment or b"")
        if members != self.members:
            self.members = members
            self._changed()
