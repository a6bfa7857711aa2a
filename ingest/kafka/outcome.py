"""What a failed delivery means for its record. Pure."""

from typing import Literal

from confluent_kafka import KafkaError

Outcome = Literal["dead_letter", "again", "recycle"]

_THIS_RECORD = frozenset({KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP})
_ITS_NEIGHBOUR = frozenset({KafkaError._INVALID_DIFFERENT_RECORD})


def outcome(error: KafkaError) -> Outcome:
    """dead_letter: the broker refuses this very record (KIP-467). again: it failed with another one of its batch.

    recycle: everything else, a missing topic or permission or a broken producer. librdkafka has retried by itself as
    long
    as that could help, and no record is to blame, so none may be skipped: a fresh process starts at the checkpoint.
    """
    if error.code() in _THIS_RECORD:
        return "dead_letter"
    if error.code() in _ITS_NEIGHBOUR:
        return "again"
    return "recycle"
