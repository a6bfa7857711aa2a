"""Which feedback the topic has already, so that each command gets one final record. Pure.

The hub delivers a feedback message again when it was not accepted in time. And a command that was sent twice (its first
answer was lost) reached its device twice under one messageId, and has two ends that are both told.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from ingest.sink.feedback_batch import Feedback

REPEAT_SECONDS: Final = 300
"""Two ends of one messageId at one device so close together are those of one command; further apart, somebody used the
messageId for another command."""
CAPACITY: Final = 100_000
"""Some 400 bytes each."""
SUCCESS: Final = "Success"


class _Told(NamedTuple):
    enqueued_ms: int
    succeeded: bool


class Seen:
    """The last `capacity` commands whose end was told; the ones told longest ago are forgotten first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._told: OrderedDict[tuple[str, str], _Told] = OrderedDict()

    def __len__(self) -> int:
        return len(self._told)

    def add(self, device_id: str, message_id: str, status: str, enqueued_ms: int) -> None:
        """This end is told. `enqueued_ms` is the hub's time of it, Unix milliseconds."""
        key = (device_id, message_id)
        self._told[key] = _Told(enqueued_ms, status == SUCCESS)
        self._told.move_to_end(key)
        if len(self._told) > self._capacity:
            self._told.popitem(last=False)

    def admit(self, feedback: Feedback) -> bool:
        """Whether this end is to be told; from then on it is.

        A success is told even after a failure of the same command: one of its copies did arrive.
        """
        told = self._told.get((feedback.device_id, feedback.message_id))
        succeeded = feedback.status == SUCCESS
        if (
            told is not None
            and abs(feedback.enqueued_ms - told.enqueued_ms) <= REPEAT_SECONDS * 1000
            and (told.succeeded or not succeeded)
        ):
            return False
        self.add(feedback.device_id, feedback.message_id, feedback.status, feedback.enqueued_ms)
        return True
