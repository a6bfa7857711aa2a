"""What is common to all clients of librdkafka: their settings, how they fail to be made, and what their callbacks tell."""

import logging
from collections.abc import Callable

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException

from ingest.config import Kafka
from ingest.errors import ConfigError, Unreachable
from ingest.kafka import client, statistics
from ingest.kafka.client import ClientHealth, new_admin, new_consumer, new_producer, settings
from ingest.kafka.complaints import words
from ingest.kafka.dead_letters.originals import Originals
from ingest.kafka.dead_letters.redrive import Redrive
from ingest.kafka.dead_letters.restore import Place
from ingest.kafka.producer import ProducerPool
from ingest.kafka.shipping import ShippingPool
from ingest.sink.feedback.topic_reader import FeedbackReader
from ingest.sink.intake.consumer import CommandConsumer

NONSENSE = Kafka(bootstrap_servers="127.0.0.1:9", librdkafka={"no.such.setting": "1"})
CHOSEN = settings(NONSENSE)
DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN)
UP = {"name": "rdkafka#producer-1", "ts": 0, "msg_cnt": 0, "msg_size": 0, "topics": {}}


@pytest.mark.parametrize(
    "make",
    [
        lambda: new_producer(CHOSEN),
        lambda: new_consumer({**CHOSEN, "group.id": "g"}),
        lambda: new_admin(CHOSEN),
        lambda: ProducerPool(NONSENSE, client_id="x").start(),
        lambda: ShippingPool(NONSENSE, client_id="x").start(),
        lambda: CommandConsumer(NONSENSE, ("t",), "g", client_id="x", on_revoked=print, on_lost=print).start(),
        lambda: FeedbackReader(NONSENSE, "t", client_id="x").start(),
        lambda: Redrive(NONSENSE, "t"),
        lambda: Originals(CHOSEN, "g").read(Place("t", 0, 0)),
    ],
)
def test_a_setting_that_no_client_takes_is_told_by_its_key(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=r"kafka.librdkafka: .*no.such.setting"):
        make()


def test_a_setting_under_its_other_name_leaves_no_default_beside_it() -> None:
    pool = ProducerPool(Kafka(librdkafka={"compression.codec": "gzip", "max.in.flight": "1"}), client_id="x")
    assert pool._config["compression.type"] == "gzip"
    assert pool._config["max.in.flight.requests.per.connection"] == "1"
    assert not pool._config.keys() & {"compression.codec", "max.in.flight"}


def test_a_machine_without_room_for_a_client_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object, **__: object) -> None:
        raise KafkaException(KafkaError(KafkaError._CRIT_SYS_RESOURCE, "Unable to create thread"))

    monkeypatch.setattr("confluent_kafka.Consumer", no_thread)
    with pytest.raises(Unreachable, match="no client of Kafka can be made"):
        CommandConsumer(Kafka(), ("t",), "g", client_id="x", on_revoked=print, on_lost=print).start()


def document(*, state: str = "UP", owes: int = 0, at: int = 0) -> str:
    rtt = {"cnt": 0, "p50": 0, "p99": 0}
    broker = {"nodeid": 1, "state": state, "txerrs": 0, "req_timeouts": 0, "rtt": rtt, "throttle": {"max": 0}}
    brokers = {"b:9092/1": {**broker, "rx": 7, "waitresp_cnt": owes}}
    return orjson.dumps({**UP, "ts": at * 1_000_000, "brokers": brokers}).decode()


def test_trouble_is_told_when_no_broker_is_left_until_one_answers() -> None:
    health = ClientHealth({"bootstrap.servers": "b:9092"})
    health.on_error(KafkaError(KafkaError._TRANSPORT, "b:9092: connection refused"))
    assert health.trouble is None
    health.on_error(DOWN)
    assert health.trouble == "Kafka at b:9092: b:9092: connection refused"
    health.on_statistics(document())
    assert health.trouble is None
    health.on_error(DOWN)
    assert "refused" not in (health.trouble or ""), "that is over"
    health.answered()
    assert health.trouble is None


@pytest.mark.parametrize("is_trouble", [True, False])
def test_a_silent_broker_is_trouble_to_who_cannot_do_without_it(is_trouble: bool) -> None:
    health = ClientHealth({"bootstrap.servers": "b:9092"}, silence_is_trouble=is_trouble)
    health.on_statistics(document(owes=1))
    assert health.silence is None
    health.on_statistics(document(owes=1, at=int(statistics.SILENCE_SECONDS)))
    assert "b:9092/1 has answered nothing" in (health.silence or "")
    assert health.trouble == (health.silence if is_trouble else None)
    health.on_statistics(document(at=int(statistics.SILENCE_SECONDS) + 1))
    assert (health.silence, health.trouble) == (None, None)


@pytest.mark.parametrize("is_trouble", [True, False])
def test_one_broker_that_refuses_is_trouble_to_who_cannot_do_without_it(is_trouble: bool) -> None:
    """While others answer: librdkafka tries it again and again, and its records wait."""
    now = 0.0
    health = ClientHealth({"bootstrap.servers": "b:9092"}, silence_is_trouble=is_trouble, clock=lambda: now)
    untrusted = KafkaError(KafkaError._SSL, "b:9093/2: broker certificate could not be verified")
    health.on_statistics(document())
    health.on_error(untrusted)
    health.on_statistics(document())
    assert health.trouble == (f"Kafka at b:9092: {words(untrusted)}" if is_trouble else None)
    now = client.REFUSED_SECONDS + 1
    health.on_statistics(document())
    assert health.trouble is None


def test_what_a_broker_says_of_a_topic_is_no_reason_why_none_answers() -> None:
    health = ClientHealth({"bootstrap.servers": "b:9092"})
    health.on_error(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    health.on_error(DOWN)
    assert health.trouble == f"Kafka at b:9092: {words(DOWN)}"


def test_the_log_names_who_speaks_and_holds_repeats_back(caplog: pytest.LogCaptureFixture) -> None:
    health = ClientHealth({"bootstrap.servers": "b:9092"}, purpose="reading feedback back")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            health.on_error(KafkaError(KafkaError._TRANSPORT, "gone"))
    assert caplog.messages == ["Kafka, reading feedback back: gone."]
