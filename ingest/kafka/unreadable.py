"""Records that a client cannot read, however often it fetches them."""

from typing import Final

from confluent_kafka import KafkaError

_CODES: Final = frozenset(
    {KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError._NOT_IMPLEMENTED, KafkaError.MSG_SIZE_TOO_LARGE}
)
_TRIES: Final = 3
"""How often it is tried all the same, so that a transport fault does not count as a fault of the record."""


class Unreadable:
    """Says for one partition when to skip an offset at which nothing can be read."""

    def __init__(self) -> None:
        self._offset = -1
        self._tries = 0

    def is_certain(self, error: KafkaError, offset: int) -> bool:
        """Takes the client's error for this offset (for a whole batch: the batch's). Returns True from the third time
        on, for errors that are the record's own; in a batch each record must be skipped by itself."""
        if error.code() not in _CODES:
            return False
        self._tries = self._tries + 1 if offset == self._offset else 1
        self._offset = offset
        return self._tries >= _TRIES
