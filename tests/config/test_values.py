import pickle
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config.values import (
    At,
    BadValue,
    Earliest,
    Latest,
    Offsets,
    Secret,
    Start,
    bootstrap_servers,
    consumer_group,
    container_name,
    partition_id,
    start_position,
    topic_name_problem,
)


@given(st.text(alphabet="abcdefghij", min_size=4))
def test_a_secret_never_shows_itself(text: str) -> None:
    secret = Secret(text)
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>10}",
        f"{secret!r}",
        repr([secret]),
    ):
        assert text not in shown
        assert "***" in shown


def test_a_secret_compares_by_value_and_survives_a_pipe() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert pickle.loads(pickle.dumps(Secret("a"))).reveal() == "a"
    assert not Secret()
    assert Secret("a")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("earliest", Earliest()),
        ("latest", Latest()),
        ("2024-05-01T00:00:00Z", At(datetime(2024, 5, 1, tzinfo=UTC))),
        ("2024-05-01t00:00:00.25z", At(datetime(2024, 5, 1, 0, 0, 0, 250_000, tzinfo=UTC))),
        ("2024-05-01 02:00:00+02:00", At(datetime(2024, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))))),
        (datetime(2024, 5, 1, tzinfo=UTC), At(datetime(2024, 5, 1, tzinfo=UTC))),
        ({"0": "4611", "12": 99}, Offsets({"0": "4611", "12": "99"})),
    ],
)
def test_start_positions(written: object, expected: Start) -> None:
    assert start_position(written) == expected


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("", 'write "earliest", "latest"'),
        ("Earliest", 'write "earliest", "latest"'),
        ("yesterday", 'write "earliest", "latest"'),
        (5, 'write "earliest", "latest"'),
        (True, 'write "earliest", "latest"'),
        ("2024-05-01T00:00", 'write "earliest", "latest"'),
        ("2024-13-01T00:00:00Z", "there is no such time (month must be in 1..12"),
        ("2024-02-30T00:00:00Z", "there is no such time"),
        ("2024-05-01T00:00:00", "without a zone; add Z"),
        (datetime(2024, 5, 1), "without a zone; add Z"),
        ("2024-05-01", "a date without a time of day"),
        (date(2024, 5, 1), "a date without a time of day"),
        ({"x": "1"}, "a partition is a number"),
        ({"0": ""}, "the offset of partition 0 is not text"),
        ({"0": True}, "the offset of partition 0 is not text"),
        ({"0": 1.5}, "the offset of partition 0 is not text"),
    ],
)
def test_start_positions_that_are_wrong(written: object, fix: str) -> None:
    with pytest.raises(BadValue) as raised:
        start_position(written)
    assert fix in str(raised.value)


@given(st.datetimes(timezones=st.timezones()) | st.text() | st.integers() | st.dictionaries(st.text(), st.text()))
def test_anything_is_a_start_position_or_a_bad_value(written: object) -> None:
    with suppress(BadValue):
        assert isinstance(start_position(written), Start)


@pytest.mark.parametrize("name", ["iotin", "iotin.dead", "A-b_c.9", "a" * 249])
def test_legal_topic_names(name: str) -> None:
    assert topic_name_problem(name) is None


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "ü", "a" * 250, "a\n"])
def test_illegal_topic_names(name: str) -> None:
    assert topic_name_problem(name)


@pytest.mark.parametrize("text", ["127.0.0.1:9092", "a:1,b-c.example:65535", "[::1]:9092", "a:1, b:2"])
def test_bootstrap_servers(text: str) -> None:
    bootstrap_servers(text)


@pytest.mark.parametrize(
    "text", ["", "kafka", "kafka:", "kafka:0", "kafka:65536", "a:1,,b:2", "http://kafka:9092", "a:1;b:2"]
)
def test_bootstrap_servers_that_are_wrong(text: str) -> None:
    with pytest.raises(BadValue):
        bootstrap_servers(text)


@pytest.mark.parametrize("name", ["$Default", "$default", "ingest", "a.b-c_1"])
def test_consumer_groups(name: str) -> None:
    consumer_group(name)


@pytest.mark.parametrize("name", ["", "$Other", "a/b", "a" * 51, "-a"])
def test_consumer_groups_that_are_wrong(name: str) -> None:
    with pytest.raises(BadValue):
        consumer_group(name)


@pytest.mark.parametrize("name", ["abc", "ingest-checkpoints", "a" * 63, "0a1"])
def test_container_names(name: str) -> None:
    container_name(name)


@pytest.mark.parametrize("name", ["ab", "Abc", "a--b", "-abc", "abc-", "a" * 64, "a_b"])
def test_container_names_that_are_wrong(name: str) -> None:
    with pytest.raises(BadValue):
        container_name(name)


@pytest.mark.parametrize("name", ["", "-1", "01", "x", "1 ", "٣"])
def test_partition_ids_that_are_wrong(name: str) -> None:
    with pytest.raises(BadValue):
        partition_id(name)
