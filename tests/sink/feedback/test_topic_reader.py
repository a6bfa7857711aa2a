"""What devices made of their commands, read from a feedback topic of a mock cluster."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from ingest.config import Kafka
from ingest.kafka.mock_cluster import MockCluster
from ingest.sink.feedback.message import Feedback
from ingest.sink.feedback.topic_reader import FeedbackReader
from ingest.timing import Deadline
from tests.kafka.raw_batch import append_batch

PATIENCE = 40.0


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic("feedback", 1)
        yield made


def test_what_is_told_from_now_on_is_read_whatever_is_between(cluster: MockCluster) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "linger.ms": 0})
    written = 0

    def tell() -> None:
        nonlocal written
        written += 1
        record = Feedback(f"m{written}", "pump", "Success", None, None, 1_700_000_000_000)
        producer.produce("feedback", record.value, record.key)
        assert producer.flush(PATIENCE) == 0

    def until_told_of_one_after(number: int) -> list[tuple[str, str]]:
        """Where it begins to read is not known: it is told again and again."""
        found: list[tuple[str, str]] = []
        deadline = Deadline(PATIENCE)
        while not any(int(message_id[1:]) > number for _, message_id in found):
            assert not deadline.expired
            tell()
            producer.poll(
                0.02
            )  # as long as that: the mock cluster forgets what is old, and what cannot be read with it
            found += answers.poll()
        return found

    tell()
    answers = FeedbackReader(Kafka(bootstrap_servers=cluster.bootstrap), "feedback", client_id="answers")
    answers.start()
    try:
        assert ("pump", "m1") not in until_told_of_one_after(1), "it is from before the start"
        for bad in (b"not feedback", b"[]"):
            producer.produce("feedback", bad)
        assert producer.flush(PATIENCE) == 0
        append_batch(cluster.bootstrap, "feedback", b"no snappy", records=1, attributes=2)
        assert {device_id for device_id, _ in until_told_of_one_after(written)} == {"pump"}
    finally:
        answers.close()


class _Topic:
    """A consumer of a cluster that answers the first questions with what `answers` says."""

    def __init__(self, answers: list[object]) -> None:
        self.answers = answers
        self.ends: list[Exception | int | None] = []
        self.assigned: list[TopicPartition] = []

    def list_topics(self, topic: str, _: float) -> SimpleNamespace:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(topics={topic: answer})

    def get_watermark_offsets(self, place: TopicPartition, **_: object) -> tuple[int, int] | None:
        answer = self.ends.pop(0) if self.ends else 7
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else (0, answer)

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = partitions

    def poll(self, _: float) -> None: ...

    def consume(self, *_: object) -> list[object]:
        return []


@pytest.mark.parametrize(
    "first",
    [
        KafkaException(KafkaError(KafkaError._TRANSPORT)),
        SimpleNamespace(error=KafkaError(KafkaError.LEADER_NOT_AVAILABLE), partitions={}),
        SimpleNamespace(error=None, partitions={}),
    ],
    ids=["no answer", "no leader yet", "no partitions yet"],
)
def test_a_question_that_fails_at_the_start_is_asked_again(first: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else feedback is never read back, and each device gets 50 commands and no more."""
    topic = _Topic([first, first, SimpleNamespace(error=None, partitions={0: None, 1: None})])
    monkeypatch.setattr("ingest.sink.feedback.topic_reader.new_consumer", lambda *_, **__: topic)
    now = 0.0
    answers = FeedbackReader(Kafka(), "feedback", client_id="answers", clock=lambda: now)
    answers.start()
    assert not answers.ready
    assert "topic feedback cannot be looked up" in str(answers.trouble)
    assert answers.poll() == []
    assert len(topic.answers) == 2, "not at every turn"
    for _ in range(2):
        now += 15.0
        answers.poll()
    assert answers.ready
    assert answers.trouble is None
    assert [(each.partition, each.offset) for each in topic.assigned] == [(0, 7), (1, 7)]


@pytest.mark.parametrize(
    "first", [KafkaException(KafkaError(KafkaError._TIMED_OUT)), None], ids=["no leader", "no answer"]
)
def test_nothing_is_ready_before_every_partition_has_told_its_end(
    first: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told before the client knows its place would be missed, and with it the device's credit."""
    partitions = SimpleNamespace(error=None, partitions={0: None, 1: None})
    topic = _Topic([partitions, partitions])
    topic.ends = [4, first]
    monkeypatch.setattr("ingest.sink.feedback.topic_reader.new_consumer", lambda *_, **__: topic)
    now = 0.0
    answers = FeedbackReader(Kafka(), "feedback", client_id="answers", clock=lambda: now)
    answers.start()
    assert not answers.ready
    assert not topic.assigned
    topic.ends = [5, 6]
    now += 15.0
    answers.poll()
    assert answers.ready
    assert [(each.partition, each.offset) for each in topic.assigned] == [(0, 5), (1, 6)]
