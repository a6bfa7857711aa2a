"""Records that a client cannot read, however often it fetches them."""

from typing import Final

from confluent_kafka import KafkaError

_CODES: Final = frozenset(
    {KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError._NOT_IMPLEMENTED, KafkaError.MSG_SIZE_TOO_LARGE}
)
_TRIES: Final = 3
"""So often all the same, lest a fault of the way is taken for one of the record."""


class Unreadable:
    """Says of one partition when to go on behind an offset at which nothing can be read."""

    def __init__(self) -> None:
        self._offset = -1
        self._tries = 0

    def is_certain(self, error: KafkaError, offset: int) -> bool:
        """The client gave this error for this offset (of a batch as a whole: the batch's). True from the third time on,
        for errors that are the record's own; of a batch each record is to be passed over by itself."""
        if error.code() not in _CODES:
            return False
        self._tries = self._tries + 1 if offset == self._offset else 1
        self._offset = offset
        return self._tries >= _TRIES
