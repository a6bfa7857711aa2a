"""What devices made of their commands, read from a feedback topic of a mock cluster."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from ingest.config import Kafka
from ingest.deadline import Deadline
from ingest.kafka.mock import MockCluster
from ingest.sink.answers import Answers
from ingest.sink.feedback_batch import Feedback
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
    answers = Answers(Kafka(bootstrap_servers=cluster.bootstrap), "feedback", client_id="answers")
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
