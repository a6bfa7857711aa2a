"""Which of librdkafka's complaints is the reason, and what is a refusal."""

import pytest
from confluent_kafka import KafkaError

from ingest.errors import Refused, Unreachable
from ingest.kafka.client import ClientHealth
from ingest.kafka.complaints import Complaints, classified, words

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
BROKEN = KafkaError(KafkaError._TRANSPORT, "Disconnected: connection reset by peer")
PLAIN = KafkaError(KafkaError._TRANSPORT, "SSL handshake failed: connecting to a PLAINTEXT broker listener?")
LOGIN = KafkaError(KafkaError._AUTHENTICATION, "invalid credentials with SASL mechanism SCRAM-SHA-512")
UNTRUSTED = KafkaError(KafkaError._SSL, "broker certificate could not be verified")
ALERT = KafkaError(KafkaError._TRANSPORT, "ssl/tls alert bad certificate: SSL alert number 42")
NO_HOST = KafkaError(KafkaError._RESOLVE, "Failed to resolve 'broker7:9092'")
EXPIRED = KafkaError(KafkaError._TRANSPORT, "tlsv1 alert certificate expired: SSL alert number 45")
MECHANISM = KafkaError(KafkaError._AUTHENTICATION, "Unsupported SASL mechanism: broker's supported mechanisms: PLAIN")
_FETCH = "Failed to acquire SASL OAUTHBEARER token: "
_OIDC = f'{_FETCH}Failed to retrieve OIDC token from "https://me:Hush-7@a/token": unknown client (401)'
TOKEN = KafkaError(KafkaError._AUTHENTICATION, _OIDC)
CLIENT = KafkaError(KafkaError._AUTHENTICATION, f'{_FETCH}{{"error": "invalid_client"}}')
BUSY = KafkaError(KafkaError._AUTHENTICATION, f'{_FETCH}{{"error": "temporarily_unavailable"}}')
AWAY = KafkaError(KafkaError._AUTHENTICATION, f"{_FETCH}Failed to connect to 10.0.0.1:443: Could not connect to server")
UNTRUSTED_TOKEN = KafkaError(KafkaError._AUTHENTICATION, f"{_FETCH}SSL certificate OpenSSL verify result: unable (20)")
NOT_YET = KafkaError(
    KafkaError._AUTHENTICATION,
    "OAUTHBEARER cannot log in because there is no token available; last error: (not available)",
)
FAILED = KafkaError(KafkaError._TRANSPORT, "Failed to get metadata: Local: Broker transport failure")


@pytest.mark.parametrize(
    ("told", "reason", "refused", "fix"),
    [
        ([LOGIN, DOWN, BROKEN], LOGIN, True, "correct sasl.mechanism"),
        ([DOWN, UNTRUSTED, BROKEN], UNTRUSTED, True, "ssl.ca.location"),
        ([BROKEN, ALERT, DOWN], ALERT, True, "ssl.certificate"),
        ([BROKEN, EXPIRED, DOWN], EXPIRED, True, "has expired: renew"),
        ([MECHANISM, DOWN], MECHANISM, True, "write one of these as sasl.mechanism"),
        ([TOKEN, DOWN, BROKEN], TOKEN, True, "correct what begins with sasl.oauthbearer"),
        ([CLIENT, DOWN, BROKEN], CLIENT, True, "the client's id, its secret"),
        ([UNTRUSTED_TOKEN, DOWN], UNTRUSTED_TOKEN, True, "https.ca.location"),
        ([BUSY, DOWN, BROKEN], BUSY, False, "is right and up"),
        ([AWAY, NOT_YET, DOWN], NOT_YET, False, "is right and up"),
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
    assert str(raised).startswith(f"Kafka does not answer: {reason.str()[:20]}")
    assert "Hush-7" not in str(raised)
    assert fix in str(raised)


@pytest.mark.parametrize("error", [LOGIN, UNTRUSTED, ALERT, MECHANISM, TOKEN, AWAY])
def test_a_client_that_once_worked_and_is_refused_now_says_why_and_goes_on(error: KafkaError) -> None:
    health = ClientHealth({"bootstrap.servers": "b:9092"})
    health.answered()
    health.on_error(error)
    assert health.trouble == f"Kafka at b:9092: {words(error)}"
    health.answered()
    assert health.trouble is None


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


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        (KafkaError.NOT_LEADER_FOR_PARTITION, False),
        (KafkaError.OFFSET_NOT_AVAILABLE, False),
        (KafkaError.NOT_COORDINATOR, False),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, True),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, True),
    ],
)
def test_a_leader_that_moves_is_waited_for(code: int, refused: bool) -> None:
    raised = classified(KafkaError(code), "it cannot be read")
    assert isinstance(raised, Refused if refused else Unreachable)
