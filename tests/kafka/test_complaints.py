"""Which of librdkafka's complaints is the reason, and what is a refusal."""

import pytest
from confluent_kafka import KafkaError

from ingest.errors import Refused, Unreachable
from ingest.kafka.complaints import Complaints, classified

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
BROKEN = KafkaError(KafkaError._TRANSPORT, "Disconnected: connection reset by peer")
PLAIN = KafkaError(KafkaError._TRANSPORT, "SSL handshake failed: connecting to a PLAINTEXT broker listener?")
LOGIN = KafkaError(KafkaError._AUTHENTICATION, "invalid credentials with SASL mechanism SCRAM-SHA-512")
UNTRUSTED = KafkaError(KafkaError._SSL, "broker certificate could not be verified")
ALERT = KafkaError(KafkaError._TRANSPORT, "ssl/tls alert bad certificate: SSL alert number 42")
NO_HOST = KafkaError(KafkaError._RESOLVE, "Failed to resolve 'broker7:9092'")
FAILED = KafkaError(KafkaError._TRANSPORT, "Failed to get metadata: Local: Broker transport failure")


@pytest.mark.parametrize(
    ("told", "reason", "refused", "fix"),
    [
        ([LOGIN, DOWN, BROKEN], LOGIN, True, "correct sasl.mechanism"),
        ([DOWN, UNTRUSTED, BROKEN], UNTRUSTED, True, "ssl.ca.location"),
        ([BROKEN, ALERT, DOWN], ALERT, True, "ssl.certificate"),
        ([PLAIN, DOWN, BROKEN], PLAIN, False, "PLAINTEXT broker listener"),
        ([NO_HOST, DOWN, BROKEN], NO_HOST, False, "advertised.listeners"),
        ([DOWN], DOWN, False, "correct security.protocol"),
        ([BROKEN, DOWN], BROKEN, False, "reset by peer"),
        ([], FAILED, False, "Failed to get metadata"),
    ],
)
def test_what_tells_most_is_the_reason(told: list[KafkaError], reason: KafkaError, refused: bool, fix: str) -> None:
    complaints = Complaints()
    for error in told:
        complaints(error)
    found = complaints.reason(FAILED)
    assert found is reason
    assert complaints.refused == refused
    raised = classified(found, "Kafka does not answer")
    assert isinstance(raised, Refused if refused else Unreachable)
    assert str(raised).startswith(f"Kafka does not answer: {reason.str()}")
    assert fix in str(raised)


def test_what_a_broker_has_answered_needs_no_other_reason() -> None:
    complaints = Complaints()
    complaints(LOGIN)
    denied = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "denied")
    assert complaints.reason(denied) is denied


def test_complaints_are_over_when_the_brokers_answer() -> None:
    complaints = Complaints()
    complaints(LOGIN)
    complaints.clear()
    assert complaints.reason(FAILED) is FAILED
    assert not complaints.refused
