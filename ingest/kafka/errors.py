"""What a failed delivery means for its record. Pure."""

from typing import Literal

from confluent_kafka import KafkaError

Outcome = Literal["suspect", "recycle"]

_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_MSG_SIZE})
_OF_A_BATCH = _TOO_LARGE | {
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError._INVALID_DIFFERENT_RECORD,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_REQUEST,
    KafkaError.POLICY_VIOLATION,
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    KafkaError.UNKNOWN,
}
"""The last is a broker's answer if a part of it fails, such as an interceptor or a proxy's schema check."""


def outcome(error: KafkaError) -> Outcome:
    """suspect: the broker refuses this record, or another one of its batch; sending it alone shows which.

    recycle: everything else, such as a missing topic or permission or a broken producer. librdkafka has retried by
    itself while that could help, and no record is to blame, so none may be skipped: a new process starts at the
    checkpoint.
    """
    return "suspect" if error.code() in _OF_A_BATCH else "recycle"


def too_large(error: KafkaError) -> bool:
    """Whether the broker refuses the record, or its batch, for its size."""
    return error.code() in _TOO_LARGE


def innocent(error: KafkaError) -> bool:
    """Whether the broker has named another record of the batch (Kafka 2.4 and later do)."""
    return error.code() == KafkaError._INVALID_DIFFERENT_RECORD


def throttled(error: KafkaError | None, kind: str) -> bool:
    """Whether the cluster was too busy for too long, and the record is not to blame; `kind`: `kafka.kind`.

    Event Hubs answers a request that it has held back for longer than `request.timeout.ms` with POLICY_VIOLATION
    (Microsoft's "Apache Kafka troubleshooting guide for Event Hubs").
    """
    return kind == "event_hubs" and error is not None and error.code() == KafkaError.POLICY_VIOLATION


def reason_of(error: KafkaError) -> str:
    """Returns the reason of a dead letter, as a short code."""
    return "too_large" if too_large(error) else error.name().lower()
