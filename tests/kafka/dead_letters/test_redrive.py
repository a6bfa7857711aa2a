"""Redriving against librdkafka's mock cluster."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from ingest.config import Kafka
from ingest.errors import Refused, Unreachable
from ingest.kafka.dead_letters.record import DeadLetter, dead_letter, without_body
from ingest.kafka.dead_letters.redrive import Redrive, Tally
from ingest.kafka.dead_letters.restore import Again, Letter
from ingest.kafka.header_names import Header
from ingest.kafka.headers import headers_of
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.raw_names import raw_names
from ingest.timing import Deadline
from tests.kafka.raw_batch import append_batch, record
from tests.services.kafka import KafkaCluster

PATIENCE = 60.0
PRODUCE = 0
DEAD = "iotout.dead"


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic("iotout", 1)
        made.create_topic(DEAD, 2)
        yield made


def settings_of(cluster: MockCluster) -> Kafka:
    return Kafka(bootstrap_servers=cluster.bootstrap)


def letter(number: int, reason: str = "device_not_found", **position: str) -> DeadLetter:
    place: dict[str, str | int | None] = {"topic": "iotout", "partition": 0, "offset": number, **position}
    return dead_letter(b"dev", b"%d" % number, reason, "why", place, [("own", b"%d" % number)])


def write(cluster: MockCluster, *letters: DeadLetter) -> None:
    """The first to partition 0, the next to 1, and so on in turn."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for index, (key, value, headers) in enumerate(letters):
        producer.produce(DEAD, value, key, partition=index % 2, headers=headers)
    assert producer.flush(PATIENCE) == 0


def read(cluster: MockCluster, count: int) -> list[Message]:
    """The first `count` records of iotout, and whatever comes with them."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("iotout", 0, 0)])
    found: list[Message] = []
    deadline = Deadline(PATIENCE)
    while len(found) < count and not deadline.expired:
        found += consumer.consume(1_000, timeout=0.2)
    found += consumer.consume(1_000, timeout=0.2)
    consumer.close()
    return found


def values(cluster: MockCluster, count: int) -> list[int]:
    return sorted(int(message.value() or b"") for message in read(cluster, count))


def redrive(
    cluster: MockCluster, reason: str | None = None, *, start_over: bool = False, dry_run: bool = False
) -> Tally:
    return Redrive(settings_of(cluster), DEAD, reason=reason, start_over=start_over, dry_run=dry_run).run()


def test_key_value_and_own_headers_come_back(cluster: MockCluster) -> None:
    write(cluster, letter(7))
    tally = redrive(cluster)
    assert (tally.total, tally.read, tally.matched, tally.sent) == (1, 1, 1, 1)
    (message,) = read(cluster, 1)
    assert (message.key(), message.value()) == (b"dev", b"7")
    assert message.headers() == [("own", b"7"), ("ingest-redriven", b"1")]


def test_every_record_is_redriven_once(cluster: MockCluster) -> None:
    write(cluster, *(letter(number) for number in range(5)))
    assert redrive(cluster).sent == 5
    assert redrive(cluster).read == 0
    write(cluster, letter(5), letter(6))
    assert redrive(cluster).sent == 2
    assert values(cluster, 7) == list(range(7))


def test_a_run_for_one_reason_leaves_the_others_for_a_later_run(cluster: MockCluster) -> None:
    write(cluster, letter(0), letter(1, "expired"), letter(2), letter(3, "too_large"))
    tally = redrive(cluster, "device_not_found")
    assert (tally.read, tally.sent, tally.skipped) == (4, 2, {"expired": 1, "too_large": 1})
    assert redrive(cluster, "device_not_found").read == 0
    assert redrive(cluster, "expired").sent == 1
    write(cluster, letter(4))
    tally = redrive(cluster)
    assert (tally.read, tally.before, tally.sent) == (5, 3, 2)
    for reason in (None, "device_not_found", "too_large"):
        assert redrive(cluster, reason).read == 0
    assert values(cluster, 5) == list(range(5))


def test_starting_over_sends_all_and_moves_no_position_back(cluster: MockCluster) -> None:
    write(cluster, letter(0), letter(1), letter(2))
    redrive(cluster)
    assert redrive(cluster, start_over=True).sent == 3
    assert redrive(cluster).read == 0
    assert values(cluster, 6) == [0, 0, 1, 1, 2, 2]


def test_starting_over_and_not_coming_far_moves_no_position_back(
    cluster: MockCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cluster, letter(0), letter(1), letter(2))
    redrive(cluster)
    monkeypatch.setattr("ingest.kafka.dead_letters.redrive.CHUNK_RECORDS", 1)

    def interrupt(tally: Tally) -> None:
        if tally.sent == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Redrive(settings_of(cluster), DEAD, start_over=True).run(interrupt)
    assert redrive(cluster).read == 0


def test_an_interrupted_run_is_taken_up_where_it_ended(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.kafka.dead_letters.redrive.CHUNK_RECORDS", 1)
    write(cluster, *(letter(number) for number in range(6)))

    def interrupt(tally: Tally) -> None:
        if tally.read == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Redrive(settings_of(cluster), DEAD).run(interrupt)
    assert redrive(cluster).sent in (2, 3)
    assert set(values(cluster, 6)) == set(range(6))


def test_a_dry_run_changes_nothing(cluster: MockCluster) -> None:
    write(cluster, letter(0), letter(1, topic="nowhere/"), letter(2))
    tally = redrive(cluster, dry_run=True)
    assert (tally.matched, tally.sent, tally.refused) == (3, 0, {"bad_origin": 1})
    assert redrive(cluster).sent == 2
    assert values(cluster, 2) == [0, 2]


def test_what_has_no_place_in_kafka_is_refused_with_a_sentence(cluster: MockCluster) -> None:
    source = dead_letter(b"dev", b"x", "too_large", "why", {"partition": "3", "offset": "10"})
    write(cluster, source, letter(1), DeadLetter(None, b"no letter", []), source)
    tally = redrive(cluster)
    assert (tally.read, tally.matched, tally.sent) == (4, 4, 1)
    assert tally.refused == {"no_origin": 2, "not_a_dead_letter": 1}
    assert re.match(r"iotout\.dead\[[01]\] at [01]: its original was no Kafka record", tally.sentences["no_origin"])
    assert redrive(cluster).read == 0


def test_what_came_from_elsewhere_is_restored_by_who_knows_it(cluster: MockCluster) -> None:
    source = dead_letter(b"dev", b"x", "too_large", "why", {"partition": "3"}, [("ingest-redriven", b"4")])

    def restore(found: Letter) -> Again:
        assert (found.key, found.value) == (b"dev", b"x")
        return Again("iotout", b"key", b"8", [("own", b"1"), ("ingest-x", b"")], 1_700_000_000_123)

    write(cluster, source)
    assert Redrive(settings_of(cluster), DEAD, restore=restore).run().sent == 1
    (message,) = read(cluster, 1)
    assert (message.key(), message.value(), message.timestamp()[1]) == (b"key", b"8", 1_700_000_000_123)
    assert message.headers() == [("own", b"1"), ("ingest-redriven", b"5")]


def test_a_time_that_kafka_refuses_is_now(cluster: MockCluster) -> None:
    """The times of others in the batch stay theirs."""
    times = iter([1_700_000_000_123, 1_700_000_000_124])
    letters = [dead_letter(b"dev", b"%d" % n, "x", "why", {"partition": "3"}) for n in range(2)]
    write(cluster, *letters)
    # Once for both, once for the one that is sent alone first. Both in one batch, also on a busy machine.
    cluster.push_errors(PRODUCE, [KafkaError.INVALID_TIMESTAMP] * 2)
    kafka = replace(settings_of(cluster), librdkafka={"linger.ms": "2000"})
    tally = Redrive(kafka, DEAD, restore=lambda found: Again("iotout", None, found.value, [], next(times))).run()
    assert (tally.sent, tally.refused) == (2, {})
    found = [message.timestamp()[1] for message in read(cluster, 2)]
    assert sum(time in (1_700_000_000_123, 1_700_000_000_124) for time in found) == 1
    assert max(found) > 1_700_000_000_124


def test_a_record_that_is_still_too_large_takes_no_neighbour_with_it(cluster: MockCluster) -> None:
    write(cluster, *(letter(number) for number in range(4)))
    cluster.push_errors(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE] * 2)
    # All four in one batch, also on a busy machine: redrive flushes as soon as it has given them to the client.
    kafka = replace(settings_of(cluster), librdkafka={"linger.ms": "2000"})
    tally = Redrive(kafka, DEAD).run()
    assert (tally.sent, tally.refused) == (3, {"too_large": 1})


def test_a_record_larger_than_the_clients_whole_queue_is_refused_and_waits_for_nothing(cluster: MockCluster) -> None:
    write(cluster, letter(0), letter(1)._replace(value=b"x" * 2_000), letter(2))
    kafka = replace(settings_of(cluster), librdkafka={"queue.buffering.max.kbytes": "1"})
    tally = Redrive(kafka, DEAD).run()
    assert (tally.sent, tally.refused) == (2, {"too_large": 1})
    assert "queue.buffering.max.kbytes" in tally.sentences["too_large"]


def test_a_record_larger_than_a_usual_topic_takes_is_sent(cluster: MockCluster) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "message.max.bytes": 4_000_000})
    key, _, headers = letter(1)
    producer.produce(DEAD, b"7" * 2_000_000, key, headers=headers)
    assert producer.flush(PATIENCE) == 0
    assert redrive(cluster).sent == 1


def test_a_body_that_was_left_out_is_read_again_where_it_was(cluster: MockCluster) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for number in range(3):
        producer.produce("iotout", b"%d" % number, b"key", headers=[("own", b"%d" % number), ("ingest-redriven", b"2")])
    assert producer.flush(PATIENCE) == 0
    write(cluster, without_body(letter(1)), without_body(letter(9)), without_body(letter(1, offset="?")))
    tally = redrive(cluster)
    assert (tally.sent, tally.refused) == (1, {"gone": 2})
    assert "iotout[0] at 9" in tally.sentences["gone"] or "iotout[0] at -1" in tally.sentences["gone"]
    again = read(cluster, 4)[3]
    assert (again.key(), again.value()) == (b"key", b"1")
    assert again.headers() == [("own", b"1"), ("ingest-redriven", b"3")]


def test_what_cannot_be_had_now_ends_the_run_behind_all_that_was_before_it(cluster: MockCluster) -> None:
    later = dead_letter(b"dev", b"x", "too_large", "why", {"partition": "3"})
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for key, value, headers in (letter(0), letter(1), later, letter(3)):
        producer.produce(DEAD, value, key, partition=0, headers=headers)
    assert producer.flush(PATIENCE) == 0

    def restore(_: Letter) -> Again:
        raise Unreachable("a running ingest owns the partition")

    with pytest.raises(Unreachable, match="owns the partition"):
        Redrive(settings_of(cluster), DEAD, restore=restore).run()
    tally = Redrive(settings_of(cluster), DEAD, restore=lambda found: Again("iotout", None, b"2", [], 0)).run()
    assert (tally.read, tally.sent) == (2, 2)
    assert values(cluster, 4) == [0, 1, 2, 3]


def in_bytes(headers: Sequence[Header]) -> list[tuple[bytes, str | bytes | None]]:
    """As text, with Python 3.14 some of these names are equal to no other (`ingest.kafka.headers`)."""
    return [(name.encode(errors="surrogateescape"), value) for name, value in headers]


def test_names_of_headers_that_are_no_text_come_back_byte_for_byte(cluster: MockCluster) -> None:
    """As the sink has written them, and as the original has them when it is read again."""
    own = [(b"\xff\xfe", b"1"), ("é".encode(), b"2"), (b"\x80", None)]
    append_batch(cluster.bootstrap, "iotout", record(b"0", own), records=1)
    headers = letter(0).headers
    written = letter(0)._replace(
        headers=[*headers[:-1], ("raw-name:%FF%FE", b"1"), ("é", b"2"), ("raw-name:%80", None)]
    )
    write(cluster, written, without_body(letter(0)), letter(1))
    tally = redrive(cluster)
    assert (tally.sent, tally.refused) == (3, {})
    found = [headers_of(message) for message in read(cluster, 4)]
    same = [("raw-name:%FF%FE", b"1"), ("é", b"2"), ("raw-name:%80", None)]
    assert found[0] == same
    assert sum(headers[:-1] == same for headers in found[1:]) == 2
    with raw_names(same) as names:
        for message in read(cluster, 4):
            raw = message.headers()
            assert isinstance(raw, list)
            assert in_bytes(raw[:3]) == in_bytes(names) == own or raw[0] == ("own", b"1")


def test_the_rate_is_kept(cluster: MockCluster) -> None:
    write(cluster, *(letter(number) for number in range(20)))
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001  # each look at the clock takes a millisecond
        return now[0]

    assert Redrive(settings_of(cluster), DEAD, rate=100, clock=clock).run().sent == 20
    assert now[0] >= 19 / 100


def test_a_topic_that_is_gone_ends_the_run_before_its_record_is_passed(
    cluster: MockCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def described(_: object, topic: str, timeout: float) -> int:
        if topic == "gone":
            raise Refused("topic 'gone' does not exist")  # the mock cluster makes every topic that is asked for
        return 2

    monkeypatch.setattr("ingest.kafka.admin.Topics.describe", described)
    write(cluster, letter(0, topic="gone"))
    for _ in range(2):
        with pytest.raises(Refused, match="topic 'gone' does not exist"):
            redrive(cluster)


def test_nothing_is_passed_that_kafka_has_not_acknowledged(cluster: MockCluster) -> None:
    write(cluster, letter(0), letter(1))
    cluster.push_errors(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    with pytest.raises(Refused, match="Kafka refuses redriven records"):
        redrive(cluster)
    assert redrive(cluster).sent == 2


def test_a_refused_record_takes_no_neighbour_with_it(cluster: MockCluster) -> None:
    write(cluster, *(letter(number) for number in range(6)))
    cluster.push_errors(PRODUCE, [KafkaError.INVALID_RECORD])
    tally = redrive(cluster)
    assert (tally.sent, tally.refused) == (6, {})
    assert values(cluster, 6) == list(range(6))


@pytest.mark.services
def test_positions_are_kept_by_apache_kafka(kafka: KafkaCluster) -> None:
    dead, back = "redriven.dead", "redriven"
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(20):
        key, value, headers = letter(number, "expired" if number % 4 == 0 else "device_not_found", topic=back)
        producer.produce(dead, value, key, headers=headers)
    producer.produce(back, b"{}")  # makes the topic
    assert producer.flush(PATIENCE) == 0
    settings = Kafka(bootstrap_servers=kafka.bootstrap)
    sent = [Redrive(settings, dead, reason=reason).run().sent for reason in ("expired", "expired", None, None)]
    assert sent == [5, 0, 15, 0]
