import pytest
from confluent_kafka import KafkaError

from ingest.kafka.errors import innocent, outcome, reason_of, throttled, too_large


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.INVALID_RECORD, "suspect"),
        (KafkaError.INVALID_TIMESTAMP, "suspect"),
        (KafkaError._INVALID_DIFFERENT_RECORD, "suspect"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "recycle"),
        (KafkaError._UNKNOWN_TOPIC, "recycle"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "suspect"),
        (KafkaError.RECORD_LIST_TOO_LARGE, "suspect"),
        (KafkaError.POLICY_VIOLATION, "suspect"),
        (KafkaError.UNKNOWN, "suspect"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, "recycle"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "recycle"),
        (KafkaError.TOPIC_EXCEPTION, "recycle"),
        (KafkaError.UNSUPPORTED_COMPRESSION_TYPE, "recycle"),
        (KafkaError.KAFKA_STORAGE_ERROR, "recycle"),
        (KafkaError._FATAL, "recycle"),
    ],
)
def test_only_what_may_be_a_record_s_own_fault_is_a_suspect(code: int, expected: str) -> None:
    assert outcome(KafkaError(code)) == expected


def test_event_hubs_reports_that_it_is_busy_as_a_violated_policy() -> None:
    assert throttled(KafkaError(KafkaError.POLICY_VIOLATION), "event_hubs")
    assert not throttled(KafkaError(KafkaError.POLICY_VIOLATION), "kafka")
    assert not throttled(KafkaError(KafkaError.INVALID_RECORD), "event_hubs")
    assert not throttled(None, "event_hubs")


def test_too_large_has_one_reason_whoever_says_it() -> None:
    for code in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
        assert too_large(KafkaError(code))
        assert reason_of(KafkaError(code)) == "too_large"
    assert not too_large(KafkaError(KafkaError.INVALID_RECORD))
    assert reason_of(KafkaError(KafkaError.INVALID_TIMESTAMP)) == "invalid_timestamp"


def test_kafka_may_name_another_record_of_the_batch() -> None:
    assert innocent(KafkaError(KafkaError._INVALID_DIFFERENT_RECORD))
    assert not innocent(KafkaError(KafkaError.INVALID_RECORD))
