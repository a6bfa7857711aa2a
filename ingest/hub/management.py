"""Questions to an event hub's `$management`: what it has, and where its partitions stand."""

import time
from types import TracebackType
from typing import Any, NamedTuple, Self

from ingest.amqp.message import Message
from ingest.hub.client.login import Entrance, Login
from ingest.hub.client.requests import MANAGEMENT, Node, described, read_hub, read_partition
from ingest.hub.service_errors import HubError
from ingest.hub.standing import Standing
from ingest.timing import Clock, Deadline


class Description(NamedTuple):
    """What the hub says of itself (`$management`, READ of com.microsoft:eventhub)."""

    partition_ids: list[str]
    created_ms: int
    """When it was made, Unix milliseconds."""


class Questions:
    """One connection, for as many questions as there are; all within one deadline.

    Every question raises HubError in the hub's words, OSError (NetworkFault), or TimeoutError.
    """

    def __init__(self, entrance: Entrance, event_hub: str, seconds: float, *, clock: Clock = time.monotonic) -> None:
        """Begins to connect. Raises RuntimeError when no thread can be started."""
        self._entrance = entrance
        self._event_hub = event_hub
        self._clock = clock
        self._deadline = Deadline(seconds)
        self._login = Login(entrance)
        self._node: Node | None = None

    def hub(self) -> Description:
        """What there is."""
        told = self._ask(read_hub(self._event_hub, self._entrance.claim.make().text))
        partitions = _told(told, "partition_ids", list)
        return Description([str(each) for each in partitions], _told(told, "created_at", int))

    def partition(self, partition: str, *, created_ms: int | None = None) -> Standing:
        """Where a partition stands; `created_ms`: of the hub itself, where that was asked before."""
        asked = self._clock()
        told = self._ask(read_partition(self._event_hub, partition, self._entrance.claim.make().text))
        return Standing(
            oldest=_told(told, "begin_sequence_number", int),
            newest=_told(told, "last_enqueued_sequence_number", int),
            newest_offset=_told(told, "last_enqueued_offset", str),
            newest_ms=_told(told, "last_enqueued_time_utc", int),
            empty=_told(told, "is_partition_empty", bool),
            asked_at=asked,
            created_ms=created_ms,
        )

    def close(self) -> None:
        """Hangs up. Raises nothing."""
        self._login.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, question: Message) -> dict[str, Any]:
        try:
            client = self._login.until_granted(self._deadline)
            self._node = self._node or Node(client, MANAGEMENT)
            return described(self._node.answer(question, self._deadline))
        except TimeoutError:
            host, seconds = self._entrance.host, self._deadline.seconds
            raise TimeoutError(f"no answer from {host} within {seconds:g} s") from None


def _told(answer: dict[str, Any], name: str, kind: type) -> Any:
    value = answer.get(name)
    if not isinstance(value, kind):
        raise HubError("", f"the answer of {MANAGEMENT} has no {name} that can be read")
    return value
