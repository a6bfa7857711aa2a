"""Dead letters that the dead-letter topic refuses, against librdkafka's mock cluster: less and less of them is tried."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ingest.config import Kafka
from ingest.kafka.dead_letters.record import DeadLetter, dead_letter
from ingest.kafka.dead_letters.topic import DeadLetterTopic
from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline

PATIENCE = 60.0
PRODUCE = 0
POSITION: dict[str, str | int | None] = {
    "event-hub": "hub",
    "partition": "3",
    "offset": "120",
    "sequence-number": 12,
    "device-id": "dev-1",
}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockCluster]:
    monkeypatch.setattr("ingest.kafka.dead_letters.topic.max_record_bytes", lambda *_: 4_000)
    with MockCluster() as made:
        made.create_topic("dead", 1)
        yield made


class Shelf:
    """A topic with a clock of its own, and what was done."""

    def __init__(self, cluster: MockCluster) -> None:
        self.now = 0.0
        self.cluster = cluster
        self.topic = DeadLetterTopic(
            Kafka(bootstrap_servers=cluster.bootstrap), "dead", client_id="test", clock=lambda: self.now
        )
        self.done: list[int] = []

    def send(self, *letters: DeadLetter) -> None:
        for number, letter in enumerate(letters):
            self.topic.send(letter, "why", lambda number=number: self.done.append(number))  # type: ignore[misc]

    def settle(self) -> None:
        deadline = Deadline(PATIENCE)
        while self.topic.in_flight and self.topic.broken is None:
            assert not deadline.expired, self.topic.trouble
            self.topic.join(Deadline(0.05), while_waiting=lambda: None)
            self.now += 1.0

    def read(self, count: int) -> list[Message]:
        consumer = Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": "r", "log_level": 0})
        consumer.assign([TopicPartition("dead", 0, 0)])
        found: list[Message] = []
        deadline = Deadline(PATIENCE)
        while len(found) < count and not deadline.expired:
            found += consumer.consume(count - len(found), 0.2)
        consumer.close()
        return found


def letter_of(key: bytes | None = b"dev-1", value: bytes = b"body", **headers: bytes) -> DeadLetter:
    return dead_letter(key, value, "why", "It is bad.", POSITION, list(headers.items()))


def test_a_letter_that_shared_a_batch_with_a_refused_one_keeps_all_it_has(cluster: MockCluster) -> None:
    shelf = Shelf(cluster)
    shelf.send(letter_of(value=b"first"))
    shelf.settle()
    cluster.push_errors(PRODUCE, [KafkaError.INVALID_RECORD])
    shelf.send(*(letter_of(key=None, value=b"%d" % number) for number in range(3)))
    shelf.settle()
    assert [(each.key(), each.value()) for each in shelf.read(4)] == [
        (b"dev-1", b"first"),
        *((None, b"%d" % number) for number in range(3)),
    ]
    assert sorted(shelf.done) == [0, 0, 1, 2]
    assert shelf.topic.written == {"why": 4}


@pytest.mark.parametrize(
    ("refusals", "key", "value"),
    [
        (0, None, b"body"),
        (1, None, b"body"),  # it may have been another one of its batch
        (2, b"hub/3/120/12", b"body"),
        (3, b"hub/3/120/12", b""),
        (4, b"hub/3/120/12", b""),
    ],
)
def test_each_refusal_leaves_less(cluster: MockCluster, refusals: int, key: bytes | None, value: bytes) -> None:
    shelf = Shelf(cluster)
    cluster.push_errors(PRODUCE, [KafkaError.INVALID_RECORD] * refusals)
    shelf.send(letter_of(key=None, own=b"x"))
    shelf.settle()
    (found,) = shelf.read(1)
    assert (found.key(), found.value() or b"") == (key, value)
    headers = dict(found.headers() or [])
    assert headers["ingest-reason"] == b"why"
    assert (headers["ingest-partition"], headers["ingest-offset"]) == (b"3", b"120")
    assert ("own" in headers) == (refusals < 4)
    assert shelf.topic.trouble is None


def test_headers_that_no_topic_takes_leave_the_position_alone(cluster: MockCluster) -> None:
    shelf = Shelf(cluster)
    odd = letter_of()
    shelf.send(
        letter_of(own=b"x" * 10_000),
        odd._replace(headers=[*odd.headers, ("half \ud800", b"x")]),
        odd._replace(key=b"k" * 10_000),
    )
    shelf.settle()
    assert [(each.key(), dict(each.headers() or [])["ingest-offset"]) for each in shelf.read(3)] == [
        (b"hub/3/120/12", b"120")
    ] * 3
    assert sorted(shelf.done) == [0, 1, 2]


def test_a_topic_that_refuses_everything_is_trouble_and_gets_everything_when_it_is_mended(cluster: MockCluster) -> None:
    shelf = Shelf(cluster)
    cluster.push_errors(PRODUCE, [KafkaError.INVALID_TIMESTAMP] * 5)
    shelf.send(letter_of())
    deadline = Deadline(PATIENCE)
    while shelf.topic.trouble is None:
        assert not deadline.expired
        shelf.topic.poll()
    assert "dead-letter topic dead refuses all records" in shelf.topic.trouble
    assert "INVALID_TIMESTAMP" in shelf.topic.trouble
    assert not shelf.done
    shelf.settle()
    (found,) = shelf.read(1)
    assert (found.key(), found.value()) == (b"dev-1", b"body")
    assert shelf.topic.trouble is None
    assert shelf.done == [0]


def test_a_missing_right_ends_the_process(cluster: MockCluster) -> None:
    shelf = Shelf(cluster)
    cluster.push_errors(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 4)
    shelf.send(letter_of())
    shelf.settle()
    assert shelf.topic.broken is not None
    assert not shelf.done
