"""Which feedback the topic already has, so that each command gets one final record. Pure.

The hub redelivers a feedback message that was not accepted in time. And a command that was sent twice (its first answer
was lost) reached its device twice under one messageId, and has two ends that are both reported.
"""

import contextlib
from array import array
from hashlib import blake2b
from typing import Final

from ingest.sink.feedback.message import Feedback

REPEAT_SECONDS: Final = 300
"""Two ends of one messageId at one device this close together are one command's; further apart, the id was reused."""
ROWS: Final = 1 << 14
PLACES: Final = 16
"""Places of each row. Once in about a thousand times, some row gets 17 of the last 50,000 commands, and forgets one."""
SUCCESS: Final = "Success"
_LARGEST: Final = (1 << 64) - 1


class FeedbackDedup:
    """The commands whose end was reported last.

    4 MiB from the beginning on, however many commands there are and however long their names: a command is a hash of 64
    bits, which two of 100,000 share once in 10^9 times, with a place in one row of a table. A full row forgets its
    oldest end.
    """

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._keys = array("Q", bytes(8 * PLACES * rows))
        """0: a free place."""
        self._told = array("Q", bytes(8 * PLACES * rows))
        """Twice the hub's time of that end, Unix milliseconds, plus 1 if it was a success."""

    def add(self, device_id: str, message_id: str, status: str, enqueued_ms: int) -> None:
        """Notes that this end was reported. `enqueued_ms` is the hub's time of it, Unix milliseconds."""
        key = _key(device_id, message_id)
        self._put(self._place(key), key, status, enqueued_ms)

    def admit(self, feedback: Feedback) -> bool:
        """Whether to report this end; from then on it counts as reported.

        A success is reported even after a failure of the same command: one of its copies did arrive.
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
        """Returns the key's place, or else the one that it can take."""
        first = key % self._rows * PLACES
        with contextlib.suppress(ValueError):
            return self._keys.index(key, first, first + PLACES)
        return min(range(first, first + PLACES), key=self._told.__getitem__)

    def _put(self, place: int, key: int, status: str, enqueued_ms: int) -> None:
        self._keys[place] = key
        # An impossible time is cut to the range that fits.
        self._told[place] = (max(0, enqueued_ms) << 1 | (status == SUCCESS)) & _LARGEST


def _key(device_id: str, message_id: str) -> int:
    text = f"{len(device_id)} {device_id}{message_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest()) or 1
