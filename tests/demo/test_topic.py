"""The demo's own reader of the topic, against the mock cluster."""

from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from ingest.demo.topic import TopicReader, event_of
from ingest.errors import IngestError
from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline


def record(device: str, counter: int, **changes: Any) -> bytes:
    body = {"deviceId": device, "counter": counter}
    return orjson.dumps({"deviceId": device, "content": orjson.dumps(body).decode(), **changes})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"b", record("a", 1)),
        (None, record("a", 1)),
        (b"a", None),
        (b"a", b"{"),
        (b"a", b"[]"),
        (b"a", record("a", 1, deviceId="b")),
        (b"a", record("a", 0)),
        (b"a", record("a", 1, content="no JSON")),
        (b"a", record("a", 1, content='{"deviceId":"a","counter":"1"}')),
        (b"a", record("a", 1, content='{"deviceId":7,"counter":1}', deviceId=7)),
    ],
)
def test_what_is_no_event_of_a_device(key: bytes | None, value: bytes | None) -> None:
    assert event_of(key, value) is None


def test_an_event_is_known_by_its_device_and_the_devices_own_counter() -> None:
    assert event_of(b"a", record("a", 41)) == ("a", 41)


def test_it_reads_every_partition_to_its_end() -> None:
    with MockCluster() as cluster:
        cluster.create_topic("t", 3)
        producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        for number in range(1, 301):
            producer.produce("t", record("a", number), b"a", partition=number % 3)
        producer.produce("t", record("a", 300), b"a", partition=0)
        producer.produce("t", b"strange", b"a", partition=1)
        assert producer.flush(20) == 0
        reader = TopicReader(cluster.bootstrap, "t", 3)
        reader.start()
        try:
            assert reader.read_to_end(Deadline(20))
        finally:
            reader.close()
    assert (reader.audit.records, reader.audit.arrived) == (302, 300)
    assert (reader.audit.duplicated, reader.audit.unreadable, reader.audit.missing({"a": 300})) == (1, 1, 0)


def test_records_that_kafka_dropped_before_they_were_read_are_no_silent_matter() -> None:
    with MockCluster() as cluster:
        cluster.create_topic("t", 1)
        producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        for _ in range(8_000):
            producer.produce("t", b"x" * 1_000)
        assert producer.flush(30) == 0
        reader = TopicReader(cluster.bootstrap, "t", 1)
        reader.start()
        try:
            with pytest.raises(IngestError, match=r"has dropped records of t-0 .*lower --rate"):
                reader.read_to_end(Deadline(20))
        finally:
            reader.close()
