import pytest
from confluent_kafka import KafkaError

from ingest.kafka.outcome import outcome


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.INVALID_RECORD, "dead_letter"),
        (KafkaError.INVALID_TIMESTAMP, "dead_letter"),
        (KafkaError._INVALID_DIFFERENT_RECORD, "again"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "recycle"),
        (KafkaError._UNKNOWN_TOPIC, "recycle"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "recycle"),
        (KafkaError._FATAL, "recycle"),
    ],
)
def test_only_a_record_that_is_to_blame_itself_is_dead_lettered(code: int, expected: str) -> None:
    assert outcome(KafkaError(code)) == expected
