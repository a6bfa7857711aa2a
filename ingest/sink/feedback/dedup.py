"""Which feedback the topic has already, so that each command gets one final record. Pure.

The hub delivers a feedback message again when it was not accepted in time. And a command that was sent twice (its first
answer was lost) reached its device twice under one messageId, and has two ends that are both told.
"""

import contextlib
from array import array
from hashlib import blake2b
from typing import Final

from ingest.sink.feedback.message import Feedback

REPEAT_SECONDS: Final = 300
"""Two ends of one messageId at one device so close together are those of one command; further apart, somebody used the
messageId for another command."""
ROWS: Final = 1 << 14
PLACES: Final = 16
"""Of each row. Some row has 17 of the last 50,000 commands, and forgets one, once in some thousand times."""
SUCCESS: Final = "Success"
_LARGEST: Final = (1 << 64) - 1


class FeedbackDedup:
    """The commands whose end was told last.

    4 MiB, from the beginning on and for good, however many commands there are and however long their names: a command is
    known by a hash of 64 bits, which two of 100,000 share once in 10^9 times, and has a place in one row of a table. A row
    that is full forgets its oldest end.
    """

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._keys = array("Q", bytes(8 * PLACES * rows))
        """0: nobody's place."""
        self._told = array("Q", bytes(8 * PLACES * rows))
        """Twice the hub's time of that end, Unix milliseconds, plus 1 if it was a success."""

    def add(self, device_id: str, message_id: str, status: str, enqueued_ms: int) -> None:
        """This end is told. `enqueued_ms` is the hub's time of it, Unix milliseconds."""
        key = _key(device_id, message_id)
        self._put(self._place(key), key, status, enqueued_ms)

    def admit(self, feedback: Feedback) -> bool:
        """Whether this end is to be told; from then on it is.

        A success is told even after a failure of the same command: one of its copies did arrive.
        """
        key = _key(feedback.device_id, feedback.message_id)
        place = self._place(key)
        if self._keys[place] == key:
            enqueued_ms, succeeded = self._told[place] >> 1, self._told[place] & 1
            near = abs(feedback.enqueued_ms - enqueued_ms) <= REPEAT_SECONDS * 1000
            if near and (succeeded or feedback.status != SUCCESS):
                return False
        self._put(place, key, feedback.status, feedback.enqueued_ms)
        return True

    def _place(self, key: int) -> int:
        """The key's, or else the one that it may have."""
        first = key % self._rows * PLACES
        with contextlib.suppress(ValueError):
            return self._keys.index(key, first, first + PLACES)
        return min(range(first, first + PLACES), key=self._told.__getitem__)

    def _put(self, place: int, key: int, status: str, enqueued_ms: int) -> None:
        self._keys[place] = key
        # Of a time that no hub has, as much as there is room for.
        self._told[place] = (max(0, enqueued_ms) << 1 | (status == SUCCESS)) & _LARGEST


def _key(device_id: str, message_id: str) -> int:
    text = f"{len(device_id)} {device_id}{message_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest()) or 1
