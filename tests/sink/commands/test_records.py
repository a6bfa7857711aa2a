from typing import cast
from unittest.mock import Mock

from confluent_kafka import Message

from ingest.sink.commands.records import size_of


def test_all_that_a_record_has_counts() -> None:
    headers = [("deviceId", b"pump"), ("foreign", b"x" * 1000), ("empty", None)]
    record = Mock(key=lambda: b"k" * 10, value=lambda: b"v" * 100)
    assert size_of(cast(Message, record), headers) == 10 + 100 + len("deviceIdpumpforeignempty") + 1000
