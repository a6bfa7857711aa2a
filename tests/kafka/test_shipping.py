"""Shipments against librdkafka's mock cluster."""

from typing import Any

import pytest
from confluent_kafka import KafkaError

from ingest.config import Kafka
from ingest.errors import Undeliverable
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.records import Record, Records
from ingest.kafka.shipment import Shipment
from ingest.kafka.shipping import ShippingPool
from ingest.timing import Deadline
from tests.kafka.mocked import PATIENCE, nobody, read


def started(cluster: MockCluster, *, producers: int = 1, **settings: str) -> ShippingPool:
    pool = ShippingPool(
        Kafka(bootstrap_servers=cluster.bootstrap, producers=producers, librdkafka=settings),
        client_id="test",
        max_record_bytes=2_000,
    )
    pool.start()
    return pool


def shipped(pool: ShippingPool, records: list[Record]) -> tuple[int, list[Shipment]]:
    done: list[Shipment] = []
    queued = pool.send_all("t", Records.of(records), done.append)
    assert pool.join(Deadline(PATIENCE))
    return queued, done


@pytest.mark.parametrize("producers", [1, 3])
def test_what_was_refused_is_told_by_its_place(cluster: MockCluster, producers: int) -> None:
    """The records are equal."""
    pool = started(cluster, producers=producers, **{"batch.num.messages": "10"})
    records: list[Record] = [(b"k", b"21.5", None, 1)] * 40
    assert shipped(pool, records)[0] == 40
    cluster.push_errors(0, [KafkaError.INVALID_RECORD])
    queued, (shipment,) = shipped(pool, records)
    assert queued == shipment.records == 40
    assert shipment.bytes == 160
    places = sorted(refusal.place for refusal in shipment.refused)
    assert places == list(range(places[0], places[0] + len(places)))
    assert 0 < len(places) <= 10
    assert {(refusal.error.name(), refusal.partition) for refusal in shipment.refused} == {
        ("INVALID_RECORD", shipment.refused[0].partition)
    }
    assert len(read(cluster, 80 - len(places))) == 80 - len(places)
    assert (pool.in_flight, pool.in_flight_bytes) == (0, 0)
    _, (after,) = shipped(pool, records)
    assert not after.refused


@pytest.mark.parametrize("producers", [1, 3])
@pytest.mark.parametrize(
    "odd",
    [
        (b"k", b"x" * 3_000, None, 1),
        (b"k", b"x", None, 1 << 70),
        (b"k", b"x", [("n", 5)], 1),
        (b"k", b"x", [("n",)], 1),
        (b"k", b"x", [("n", "half \ud800")], 1),
    ],
    ids=["too large", "time", "number as header", "no pair", "half a surrogate pair"],
)
def test_a_shipment_ends_before_what_the_client_takes_not_and_send_says_why(
    cluster: MockCluster, odd: Any, producers: int
) -> None:
    pool = started(cluster, producers=producers)
    good: Record = (b"k", b"x", [("n", b"5")], 1)
    queued, (shipment,) = shipped(pool, [good, good, odd, good])
    assert queued == shipment.records == 2
    key, value, headers, time = odd
    with pytest.raises(Undeliverable) as refused:
        pool.send("t", key, value, headers, time, nobody)
    assert refused.value.reason in ("too_large", "not_sendable")
    assert pool.send("t", b"k", b"x", None, 1, nobody)
    assert pool.join(Deadline(PATIENCE))
    assert len(read(cluster, 3)) == 3
    assert shipped(pool, [odd, good]) == (0, [])


@pytest.mark.parametrize("producers", [1, 3])
def test_the_values_are_in_the_clients_hands_alone(cluster: MockCluster, producers: int) -> None:
    pool = started(cluster, producers=producers)
    records = Records.of([(b"%d" % number, b"%d" % number, None, 1) for number in range(50)])
    assert pool.send_all("t", records, lambda _: None) == len(records) == 50
    assert records.values == []
    assert pool.in_flight_bytes == 90
    assert pool.join(Deadline(PATIENCE))
    found = read(cluster, 50)
    assert len(found) == 50
    assert all(message.key() == message.value() for message in found)


def test_one_shipment_at_a_time(cluster: MockCluster) -> None:
    pool = started(cluster)
    pool.send_all("t", Records.of([(b"k", b"x", None, 1)]), lambda _: None)
    with pytest.raises(RuntimeError, match="still on its way"):
        pool.send_all("t", Records.of([(b"k", b"x", None, 1)]), lambda _: None)
    assert pool.join(Deadline(PATIENCE))


def test_a_shipment_is_not_done_before_the_cluster_has_it(cluster: MockCluster) -> None:
    pool = started(cluster)
    done: list[Shipment] = []
    cluster.set_down(1)
    assert pool.send_all("t", Records.of([(b"k", b"x", None, 1)] * 3), done.append) == 3
    for _ in range(5):
        pool.flush(0.1)
    assert (done, pool.in_flight, pool.in_flight_bytes) == ([], 3, 3)
    cluster.set_up(1)
    assert pool.join(Deadline(PATIENCE))
    assert [(shipment.records, shipment.refused) for shipment in done] == [(3, [])]
    assert len(read(cluster, 3)) == 3


def test_what_is_thrown_away_is_told_as_refused(cluster: MockCluster) -> None:
    pool = started(cluster)
    done: list[Shipment] = []
    cluster.set_down(1)
    pool.send_all("t", Records.of([(b"k", b"x", None, 1)] * 3), done.append)
    pool.terminate()
    assert pool.join(Deadline(PATIENCE))
    [shipment] = done
    assert [refusal.place for refusal in shipment.refused] == [0, 1, 2]


def test_a_record_of_its_own_is_reported_with_its_partition(cluster: MockCluster) -> None:
    pool = started(cluster)
    shipped(pool, [(b"k", b"x", None, 1)])
    told: list[int | None] = []
    assert pool.send("t", b"k", b"y", None, 1, lambda _, message: told.append(message.partition()))
    assert pool.join(Deadline(PATIENCE))
    assert told == [read(cluster, 2)[0].partition()]
    assert shipped(pool, [(b"k", b"z", None, 1)])[0] == 1
    assert [message.value() for message in read(cluster, 3)] == [b"x", b"y", b"z"]
