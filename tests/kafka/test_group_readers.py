import struct

from hypothesis import given
from hypothesis import strategies as st

from ingest.kafka.group_readers import places, topics

TOPICS = st.dictionaries(st.text(min_size=1, max_size=20), st.lists(st.integers(0, 1_000), unique=True), max_size=4)


def encoded(topics: dict[str, list[int]]) -> bytes:
    """As a consumer group's leader writes an assignment."""
    written = struct.pack(">hi", 1, len(topics))
    for topic, numbers in topics.items():
        name = topic.encode()
        written += struct.pack(f">h{len(name)}si{len(numbers)}i", len(name), name, len(numbers), *numbers)
    return written + struct.pack(">i", -1)


@given(TOPICS)
def test_an_assignment_is_read(topics: dict[str, list[int]]) -> None:
    assert places(encoded(topics)) == sorted((topic, number) for topic, numbers in topics.items() for number in numbers)


@given(st.binary(max_size=100))
def test_anything_else_is_nothing(content: bytes) -> None:
    places(content)


def test_a_member_without_an_assignment_has_nothing() -> None:
    assert places(b"") == []


def test_topics_of_what_kafka_says_of_a_member() -> None:
    name = struct.pack(">h", 6) + b"iotout"
    subscription = struct.pack(">hi", 3, 2) + name + struct.pack(">h", 1) + b"x" + struct.pack(">i", -1)
    assignment = (
        struct.pack(">hi", 1, 2)
        + (name + struct.pack(">iii", 2, 0, 1))
        + (struct.pack(">h", 1) + b"x" + struct.pack(">ii", 1, 7))
    )
    assert topics(subscription) == ["iotout", "x"]
    assert topics(assignment, partitions=True) == ["iotout", "x"]
    assert topics(b"") == topics(b"\0\1\0\0\0\7\0") == topics(subscription[:12]) == []
