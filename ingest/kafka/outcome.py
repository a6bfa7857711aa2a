"""What a failed delivery means for its record. Pure."""

from typing import Literal

from confluent_kafka import KafkaError

Outcome = Literal["suspect", "recycle"]

_OF_A_BATCH = frozenset({KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP, KafkaError._INVALID_DIFFERENT_RECORD})


def outcome(error: KafkaError) -> Outcome:
    """suspect: the broker refuses this record, or another one that was in its batch; sent alone, it will tell.

    recycle: everything else, a missing topic or permission or a broken producer. librdkafka has retried by itself as long
    as that could help, and no record is to blame, so none may be skipped: a fresh process starts at the checkpoint.
    """
    return "suspect" if error.code() in _OF_A_BATCH else "recycle"
