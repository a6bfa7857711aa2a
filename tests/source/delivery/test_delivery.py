"""Delivery against librdkafka's mock cluster: positions move only behind acknowledgements and dead letters."""

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ingest.config import Config, Kafka
from ingest.errors import RestartRequired
from ingest.hub.position import Position
from ingest.kafka.mock_cluster import MockCluster
from ingest.source.delivery.delivery import Delivery
from ingest.source.delivery.ready import FIRST_SHIPMENT_EVENTS, READY_BYTES, READY_EVENTS
from ingest.source.events.batch import Batch
from ingest.source.events.event import Event
from ingest.source.formats import FORMATS
from ingest.timing import Deadline
from tests.source.delivery.refusing_kafka import RefusingKafka
from tests.source.delivery.rig import Rig, ToyFormat
from tests.source.sample_events import make_event

PATIENCE = 60.0
PRODUCE = 0


def started(cluster: MockCluster, **librdkafka: str) -> Delivery:
    settings = {"message.max.bytes": "4000", **{name.replace("_", "."): value for name, value in librdkafka.items()}}
    made = Delivery(
        Config(kafka=Kafka(bootstrap_servers=cluster.bootstrap, librdkafka=settings)),
        "3",
        max_record_bytes=None,
        topic_partitions=1,
    )
    made.start()
    return made


def event(sequence: int, *, body: bytes = b"{}", kind: str = "data") -> Event:
    return make_event(sequence, body=body, body_kind=kind, device_id="dev-1")


def settle(delivery: Delivery) -> None:
    deadline = Deadline(PATIENCE)
    while not delivery.idle:
        assert not deadline.expired
        delivery.poll(0.1)


def take_down(cluster: MockCluster, delivery: Delivery) -> None:
    """Returns once the client knows. What it sends before that, the broker may take without an answer, and takes it again when it
    is back: librdkafka's mock broker knows no idempotence."""
    cluster.set_down(1)
    deadline = Deadline(PATIENCE)
    while delivery.pool.trouble is None:
        assert not deadline.expired
        delivery.poll(0.1)


def read(cluster: MockCluster, topic: str, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[Message] = []
    deadline = Deadline(PATIENCE)
    while len(found) < count and not deadline.expired:
        found += consumer.consume(count - len(found), timeout=0.5)
    consumer.close()
    return found


def test_the_position_is_that_of_the_last_acknowledged_batch(cluster: MockCluster) -> None:
    delivery = started(cluster)
    assert delivery.position is None
    delivery.send(Batch.of([event(0), event(1)]))
    delivery.send(Batch.of([event(2)]))
    settle(delivery)
    assert delivery.position == Position("20", 2)
    assert delivery.acked == 3
    assert sum(delivery.seconds.counts) == 3
    assert [message.key() for message in read(cluster, "iotin", 3)] == [b"dev-1"] * 3


def test_nothing_is_sent_behind_what_is_on_its_way(cluster: MockCluster) -> None:
    """librdkafka would spin with it: see `Delivery._send_ready`."""
    delivery = started(cluster)
    take_down(cluster, delivery)
    sequence = 0
    while delivery.room:
        delivery.send(Batch.of([event(sequence + n) for n in range(100)]))
        sequence += 100
        assert delivery.pool.in_flight == 100
    assert sequence == 100 + READY_EVENTS
    cluster.set_up(1)
    settle(delivery)
    assert delivery.room
    assert delivery.position == Position(str(10 * (sequence - 1)), sequence - 1)
    assert len(read(cluster, "iotin", sequence)) == sequence


def test_a_batch_does_not_wait_for_an_answer_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all batches behind one that came before its answer go a turn late, too."""
    monkeypatch.setitem(FORMATS, "toy", ToyFormat)
    rig = Rig(RefusingKafka(1, partitions=1, names_culprits=False))
    rig.delivery.send(Batch.of([event(0)]))
    rig.delivery.send(Batch.of([event(1)]))
    assert rig.delivery.acked == 1
    assert rig.delivery.on_the_way


def test_no_more_is_sent_at_once_than_one_request_for_each_partition_holds(cluster: MockCluster) -> None:
    """The rest would wait behind it in librdkafka's queue, and keep its thread spinning."""
    delivery = started(cluster, batch_size="100000")
    delivery.send(Batch.of([event(n, body=b"x" * 2_000) for n in range(10)]))
    settle(delivery)
    taken = 10
    for count in (500, 20, 400):
        take_down(cluster, delivery)
        delivery.send(Batch.of([event(taken + n, body=b"x" * 2_000) for n in range(count)]))
        assert 0 < delivery.pool.in_flight_bytes < 100_000
        taken += count
        cluster.set_up(1)
        settle(delivery)
    assert [message.timestamp()[1] for message in read(cluster, "iotin", taken)] == [
        event(n).enqueued_ms for n in range(taken)
    ]
    assert delivery.position == Position(str(10 * (taken - 1)), taken - 1)
    assert delivery.acked == taken


def test_records_larger_than_a_request_is_meant_to_be_go_one_by_one(cluster: MockCluster) -> None:
    delivery = started(cluster, batch_size="1000")
    delivery.send(Batch.of([event(n, body=b"x" * 2_000) for n in range(5)]))
    settle(delivery)
    delivery.send(Batch.of([event(n, body=b"x" * 2_000) for n in range(5, 10)]))
    assert delivery.pool.in_flight == 1
    settle(delivery)
    assert delivery.position == Position("90", 9)


def test_large_events_are_no_longer_taken_when_their_bytes_are_many(cluster: MockCluster) -> None:
    delivery = started(cluster, message_max_bytes="1000000")
    cluster.set_down(1)
    size = 500_000
    taken = 0
    while delivery.room:
        delivery.send(Batch.of([event(taken, body=b"x" * size)]))
        taken += 1
    assert (taken - 1) * size < READY_BYTES + size
    cluster.set_up(1)
    settle(delivery)
    assert delivery.acked == taken


def test_the_position_stays_while_kafka_is_away(cluster: MockCluster) -> None:
    delivery = started(cluster)
    delivery.send(Batch.of([event(0)]))
    settle(delivery)
    cluster.set_down(1)
    delivery.send(Batch.of([event(1)]))
    delivery.poll(0.5)
    assert delivery.position == Position("0", 0)
    cluster.set_up(1)
    settle(delivery)
    assert delivery.position == Position("10", 1)


def test_what_cannot_be_delivered_is_dead_lettered_with_its_place_and_the_rest_goes_on(cluster: MockCluster) -> None:
    delivery = started(cluster)
    delivery.send(
        Batch.of([event(0), event(1, body=b"\x00SwE", kind="malformed"), event(2, body=b"x" * 3_990), event(3)])
    )
    settle(delivery)
    assert delivery.position == Position("30", 3)
    assert delivery.acked == 2
    assert delivery.dead_letters.topic.written == {"malformed": 1, "too_large": 1}
    value, large = read(cluster, "iotin.dead", 2)
    assert value.value() == b"\x00SwE"
    headers = dict(value.headers() or [])
    assert headers["ingest-reason"] == b"malformed"
    assert headers["ingest-partition"] == b"3"
    assert (headers["ingest-offset"], headers["ingest-sequence-number"]) == (b"10", b"1")
    assert headers["ingest-device-id"] == b"dev-1"
    assert value.key() == b"dev-1"
    headers = dict(large.headers() or [])
    assert headers["ingest-reason"] == b"too_large"
    assert isinstance(headers["ingest-error"], bytes)


def test_a_body_that_even_the_dead_letter_topic_refuses_leaves_its_position_there(cluster: MockCluster) -> None:
    delivery = started(cluster)
    delivery.send(Batch.of([event(0, body=b"x" * 5_000)]))
    settle(delivery)
    assert delivery.position == Position("0", 0)
    (letter,) = read(cluster, "iotin.dead", 1)
    assert not letter.value()
    headers = dict(letter.headers() or [])
    assert headers["ingest-body-omitted"] == b"5000"
    assert headers["ingest-offset"] == b"0"


def test_event_hubs_that_is_too_busy_blames_no_event(cluster: MockCluster) -> None:
    kafka = Kafka(cluster.bootstrap, "event_hubs", librdkafka={"security.protocol": "plaintext"})
    delivery = Delivery(Config(kafka=kafka), "3", max_record_bytes=None, topic_partitions=1)
    delivery.start()
    cluster.push_errors(PRODUCE, [KafkaError.POLICY_VIOLATION] * 6)
    delivery.send(Batch.of([event(0)]))
    settle(delivery)
    assert (delivery.acked, delivery.position) == (1, Position("0", 0))
    assert not delivery.dead_letters.topic.written


def test_records_of_a_refused_batch_count_once_they_are_delivered(cluster: MockCluster) -> None:
    delivery = started(cluster)
    cluster.push_errors(PRODUCE, [KafkaError.INVALID_RECORD])
    delivery.send(Batch.of([event(n) for n in range(3)]))
    settle(delivery)
    assert delivery.errors == {"INVALID_RECORD": 3}
    assert delivery.acked == sum(delivery.seconds.counts) == 3
    assert delivery.position == Position("20", 2)


def test_an_error_that_no_record_is_to_blame_for_ends_the_process_before_the_position_moves(
    cluster: MockCluster,
) -> None:
    delivery = started(cluster)
    cluster.push_errors(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 3)
    delivery.send(Batch.of([event(0)]))
    with pytest.raises(RestartRequired, match="TOPIC_AUTHORIZATION_FAILED"):
        settle(delivery)
    assert delivery.position is None
    assert delivery.errors == {"TOPIC_AUTHORIZATION_FAILED": 1}


def test_more_than_librdkafka_has_room_for_waits_in_order(cluster: MockCluster) -> None:
    delivery = started(cluster, queue_buffering_max_messages="3", linger_ms="20")
    delivery.send(Batch.of([event(n) for n in range(20)]))
    assert not delivery.room
    settle(delivery)
    assert delivery.room
    assert delivery.position == Position("190", 19)
    values = [message.value() or b"" for message in read(cluster, "iotin", 20)]
    assert [int(value.split(b'"sequenceNumber":')[1].split(b",")[0]) for value in values] == list(range(20))


def test_the_end_finishes_what_is_begun_and_leaves_the_rest_to_the_next_process(cluster: MockCluster) -> None:
    """A batch of which Kafka has a part is sent to its end: no position is in its middle."""
    delivery = started(cluster)
    take_down(cluster, delivery)
    count = 2 * FIRST_SHIPMENT_EVENTS
    for begin in (0, count, 2 * count):
        delivery.send(Batch.of([event(n) for n in range(begin, begin + count)]))
    assert delivery.pool.in_flight == FIRST_SHIPMENT_EVENTS
    delivery.close()
    cluster.set_up(1)
    assert delivery.join(Deadline(PATIENCE), while_waiting=lambda: None)
    assert delivery.position == event(count - 1).position
    assert len(read(cluster, "iotin", count)) == count


def test_the_end_does_not_wait_for_ever(cluster: MockCluster) -> None:
    delivery = started(cluster)
    cluster.set_down(1)
    delivery.send(Batch.of([event(0)]))
    beats = []
    assert not delivery.join(Deadline(1.0), while_waiting=lambda: beats.append(1))
    assert beats
    assert delivery.position is None
    cluster.set_up(1)
    assert delivery.join(Deadline(PATIENCE), while_waiting=lambda: None)
