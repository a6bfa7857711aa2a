"""Which sinks of other hubs are in the way, and which of two leaves."""

from collections.abc import Sequence

import pytest

from ingest.config.connection_strings import IotHubAddress
from ingest.config.values import Secret
from ingest.kafka.group_readers import Reader
from ingest.sink.intake.other_hubs import hub_of, intruders, member_name, must_leave, words

TOPICS = {"iotout"}


def hub(name: str) -> IotHubAddress:
    return IotHubAddress(f"{name}.azure-devices.net", None, "service", Secret("k"))


def member(name: str, subscribed: Sequence[str] = ("iotout",), holds: Sequence[str] = ("iotout",)) -> Reader:
    return Reader(member_name("ingest-sink-0", hub(name)), "10.0.0.7", frozenset(subscribed), frozenset(holds))


def test_a_member_names_its_hub() -> None:
    assert hub_of(member_name("ingest/edge1/127.0.0.1:9464/sink-0", hub("Plant"))) == "plant.azure-devices.net"
    emulated = IotHubAddress("127.0.0.2", 5671, "service", Secret("k"))
    assert hub_of(member_name("ingest-sink-0", emulated)) == "127.0.0.2:5671"
    assert hub_of("ingest-sink-0") is hub_of("user@host") is hub_of("rdkafka") is None


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (member("b"), True),
        (member("b", ["iotout", "x"], []), True),
        (member("b", [], []), True),  # in the middle of sharing out: it may read them
        (member("b", ["other"], ["other"]), False),
        (member("A"), False),
        (Reader("logstash-0", "h", frozenset(TOPICS), frozenset(TOPICS)), False),
    ],
)
def test_a_sink_of_another_hub_that_reads_these_topics_is_in_the_way(other: Reader, found: bool) -> None:
    assert intruders([member("a"), other], hub("a"), TOPICS) == [other] * found


@pytest.mark.parametrize("a_holds", [True, False])
@pytest.mark.parametrize("b_holds", [True, False])
def test_of_two_that_joined_at_once_one_leaves_and_the_other_stays(a_holds: bool, b_holds: bool) -> None:
    members = [member("a", holds=["iotout"] * a_holds), member("b", holds=["iotout"] * b_holds)]
    a_leaves = must_leave(members, hub("a"), TOPICS, holds=a_holds)
    b_leaves = must_leave(members, hub("b"), TOPICS, holds=b_holds)
    assert (a_leaves is not None) + (b_leaves is not None) == (a_holds or b_holds)
    if a_holds and b_holds:
        assert b_leaves is not None


def test_the_words_name_both_hubs_and_the_keys() -> None:
    said = words("ingest-sink", member("b"))
    assert "'ingest-sink'" in said
    assert "b.azure-devices.net (on 10.0.0.7)" in said
    assert said.rpartition(": ")[2] == "give each hub a group and topics of its own, sink.group_id and sink.topics"
