"""The producer pool against librdkafka's mock cluster, with its faults."""

import re
from collections import defaultdict

import pytest

from ingest.config import Kafka, Secret
from ingest.errors import Undeliverable
from ingest.kafka import client, producer, statistics
from ingest.kafka.client import EVERY_CLIENT, settings
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.producer import DEFAULTS, ProducerPool
from ingest.kafka.record_limit import max_record_bytes
from ingest.timing import Deadline
from tests.config.samples import NAMESPACE
from tests.kafka.mocked import PATIENCE, nobody, read

FAST_QUESTIONS = {"topic.metadata.refresh.interval.ms": 500, "socket.timeout.ms": 5_000}


def started(cluster: MockCluster, *, producers: int = 1, max_record_bytes: int | None = None) -> ProducerPool:
    pool = ProducerPool(
        Kafka(bootstrap_servers=cluster.bootstrap, producers=producers),
        client_id="test",
        max_record_bytes=max_record_bytes,
    )
    pool.start()
    return pool


@pytest.mark.parametrize("producers", [1, 3])
def test_records_arrive_as_sent_and_in_the_order_of_their_key(cluster: MockCluster, producers: int) -> None:
    pool = started(cluster, producers=producers)
    acknowledged = []
    for n in range(600):
        key = b"device-%d" % (n % 7)
        assert pool.send(
            "t",
            key,
            b"%d" % n,
            [("n", b"%d" % n)] if n % 2 else None,
            1_000 + n,
            lambda error, message: acknowledged.append(error),
        )
    assert pool.in_flight == 600
    pool.close()
    assert pool.join(Deadline(PATIENCE))
    assert acknowledged == [None] * 600
    assert (pool.in_flight, pool.in_flight_bytes) == (0, 0)
    by_key: dict[bytes, list[int]] = defaultdict(list)
    for message in read(cluster, 600):
        found_key, value = message.key(), message.value()
        assert isinstance(found_key, bytes)
        assert isinstance(value, bytes)
        by_key[found_key].append(int(value))
        assert message.timestamp()[1] == 1_000 + int(value)
        assert message.headers() == ([("n", value)] if int(value) % 2 else None)
    assert sum(map(len, by_key.values())) == 600
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


def test_an_outage_costs_nothing_and_is_told_while_it_lasts(cluster: MockCluster) -> None:
    pool = started(cluster)
    assert pool.send("t", b"k", b"before", None, 1, nobody)
    assert pool.join(Deadline(PATIENCE))
    cluster.set_down(1)
    assert pool.send("t", b"k", b"during", None, 1, nobody)
    deadline = Deadline(PATIENCE)
    while pool.trouble is None and not deadline.expired:
        pool.poll(0.1)
    assert pool.trouble is not None
    assert cluster.bootstrap in pool.trouble
    assert pool.in_flight == 1
    cluster.set_up(1)
    assert pool.join(Deadline(PATIENCE))
    assert pool.trouble is None
    assert [message.value() for message in read(cluster, 2)] == [b"before", b"during"]


def test_a_login_that_is_refused_is_the_trouble(cluster: MockCluster) -> None:
    login = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "u"}
    pool = ProducerPool(
        Kafka(bootstrap_servers=cluster.bootstrap, librdkafka={**login, "sasl.password": "p"}), client_id="refused"
    )
    pool.start()
    deadline = Deadline(PATIENCE)
    while "SASL" not in (pool.trouble or ""):
        pool.poll(0.1)
        assert not deadline.expired, pool.trouble
    assert "correct sasl.mechanism" in (pool.trouble or "")


def test_a_queue_of_librdkafka_that_is_full_refuses_without_losing_the_place(cluster: MockCluster) -> None:
    pool = ProducerPool(
        Kafka(
            bootstrap_servers=cluster.bootstrap,
            librdkafka={"queue.buffering.max.messages": "2", "linger.ms": "50"},
        ),
        client_id="test",
    )
    pool.start()
    sent = [pool.send("t", b"k", b"%d" % n, None, 1, nobody) for n in range(5)]
    assert sent.count(False) >= 1
    assert pool.in_flight == sent.count(True)
    assert pool.join(Deadline(PATIENCE))


def test_a_record_over_the_limit_is_undeliverable_alone(cluster: MockCluster) -> None:
    pool = started(cluster, max_record_bytes=2_000)
    assert pool.send("t", b"k", b"small", None, 1, nobody)
    with pytest.raises(Undeliverable, match="topic t allows 2000") as refused:
        pool.send("t", b"k", b"x" * 3_000, None, 1, nobody)
    assert refused.value.reason == "too_large"
    assert pool.in_flight == 1
    assert pool.join(Deadline(PATIENCE))


def test_terminate_throws_away_what_is_not_acknowledged(cluster: MockCluster) -> None:
    pool = started(cluster)
    cluster.set_down(1)
    errors = []
    pool.send("t", b"k", b"v", None, 1, lambda error, _: errors.append(error))
    pool.terminate()
    deadline = Deadline(PATIENCE)
    while not errors and not deadline.expired:
        pool.poll(0.1)
    assert errors[0] is not None


def test_secrets_are_handed_over_in_the_clear_and_only_here() -> None:
    kafka = Kafka(bootstrap_servers="b:9092", librdkafka={"sasl.password": Secret("hunter2"), "linger.ms": "7"})
    assert settings(kafka) == {
        **EVERY_CLIENT,
        "bootstrap.servers": "b:9092",
        "sasl.password": "hunter2",
        "linger.ms": "7",
    }
    assert "hunter2" not in repr(kafka)


def test_a_header_s_name_that_would_end_the_process_is_refused(cluster: MockCluster) -> None:
    pool = started(cluster)
    with pytest.raises(Undeliverable, match="surrogates not allowed"):
        pool.send("t", b"k", b"x", [("half \ud800", b"x")], 1, nobody)


def test_the_limit_follows_the_topic_s(cluster: MockCluster) -> None:
    pool = started(cluster, max_record_bytes=2_000)
    with pytest.raises(Undeliverable):
        pool.send("t", b"k", b"x" * 3_000, None, 1, nobody)
    pool.limit(5_000)
    assert (pool.max_record_bytes, pool.batch_bytes) == (5_000, 5_000)
    assert pool.send("t", b"k", b"x" * 3_000, None, 1, nobody)
    assert pool.join(Deadline(PATIENCE))


def test_an_idle_producer_finds_a_broker_that_has_fallen_silent_and_tells_it(
    cluster: MockCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(client, "EVERY_CLIENT", {**EVERY_CLIENT, **FAST_QUESTIONS})
    monkeypatch.setattr(producer, "DEFAULTS", {**DEFAULTS, "statistics.interval.ms": 200})
    pool = started(cluster)
    assert pool.send("t", b"k", b"before", None, 1, nobody)
    assert pool.join(Deadline(PATIENCE))
    cluster.set_rtt(1, 3_600)
    deadline = Deadline(PATIENCE)
    while pool.trouble is None:
        assert not deadline.expired
        pool.poll(0.05)
    assert re.search(r"\d has answered nothing for more than 1 s", pool.trouble)
    cluster.set_rtt(1, 0)
    while pool.trouble is not None:
        assert not deadline.expired, pool.trouble
        pool.poll(0.05)
    pool.terminate()


def test_every_client_gives_a_dead_connection_up_before_the_hub_s_links_are_given_up_twice() -> None:
    chosen = settings(Kafka())
    assert int(chosen["topic.metadata.refresh.interval.ms"]) + int(chosen["socket.timeout.ms"]) <= 30_000
    assert settings(Kafka(librdkafka={"socket.timeout.ms": "70000"}))["socket.timeout.ms"] == "70000"


def test_event_hubs_gets_no_request_that_is_too_large_for_it_and_nothing_that_it_cannot_unpack() -> None:
    kafka = Kafka("plant.servicebus.windows.net:9093", "event_hubs", Secret(NAMESPACE))
    assert max_record_bytes(kafka, "t", 1) == 1_000_000, "without a question"
    pool = ProducerPool(kafka, client_id="test", max_record_bytes=2_000_000)
    assert (pool.max_record_bytes, pool.batch_bytes) == (1_000_000, 1_000_000)
    assert pool._config["compression.type"] == "none"
    assert pool._config["enable.idempotence"] is True
    smaller = ProducerPool(kafka, client_id="test", max_record_bytes=300_000)
    assert (smaller.max_record_bytes, smaller.batch_bytes) == (300_000, 300_000)
