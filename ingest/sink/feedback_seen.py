"""Which feedback the topic has already, so that each command gets one final record. Pure.

The hub delivers a feedback message again when it was not accepted in time. And a command that was sent twice (its first
answer was lost) reached its device twice under one messageId, and has two ends that are both told.
"""

from hashlib import blake2b
from typing import Final

from ingest.sink.feedback_batch import Feedback

REPEAT_SECONDS: Final = 300
"""Two ends of one messageId at one device so close together are those of one command; further apart, somebody used the
messageId for another command."""
CAPACITY: Final = 50_000
SUCCESS: Final = "Success"


class Seen:
    """The last `capacity` commands whose end was told, and up to as many of those before them.

    Some 150 bytes each, 15 MB in all, however long their names are: a command is known by a hash of 64 bits, which two of
    100,000 share once in 10^9 times. Two dicts by turns, the older dropped as a whole: one from whose front the oldest
    is taken each time would have to find it ever longer.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._new: dict[int, int] = {}
        """Command → twice the hub's time of its end, Unix milliseconds, plus 1 if that was a success."""
        self._old: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def add(self, device_id: str, message_id: str, status: str, enqueued_ms: int) -> None:
        """This end is told. `enqueued_ms` is the hub's time of it, Unix milliseconds."""
        self._add(_key(device_id, message_id), status, enqueued_ms)

    def admit(self, feedback: Feedback) -> bool:
        """Whether this end is to be told; from then on it is.

        A success is told even after a failure of the same command: one of its copies did arrive.
        """
        key = _key(feedback.device_id, feedback.message_id)
        told = self._new.get(key, self._old.get(key))
        if told is not None:
            enqueued_ms, succeeded = told >> 1, told & 1
            near = abs(feedback.enqueued_ms - enqueued_ms) <= REPEAT_SECONDS * 1000
            if near and (succeeded or feedback.status != SUCCESS):
                return False
        self._add(key, feedback.status, feedback.enqueued_ms)
        return True

    def _add(self, key: int, status: str, enqueued_ms: int) -> None:
        self._old.pop(key, None)
        self._new[key] = enqueued_ms << 1 | (status == SUCCESS)
        if len(self._new) > self._capacity:
            self._old, self._new = self._new, {}


def _key(device_id: str, message_id: str) -> int:
    text = f"{len(device_id)} {device_id}{message_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest())
