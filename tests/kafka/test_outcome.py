import pytest
from confluent_kafka import KafkaError

from ingest.kafka.outcome import outcome


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.INVALID_RECORD, "suspect"),
        (KafkaError.INVALID_TIMESTAMP, "suspect"),
        (KafkaError._INVALID_DIFFERENT_RECORD, "suspect"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "recycle"),
        (KafkaError._UNKNOWN_TOPIC, "recycle"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "recycle"),
        (KafkaError._FATAL, "recycle"),
    ],
)
def test_only_what_may_be_a_record_s_own_fault_is_a_suspect(code: int, expected: str) -> None:
    assert outcome(KafkaError(code)) == expected
