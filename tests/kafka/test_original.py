import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.deadletter import Header, dead_letter, without_body
from ingest.errors import Undeliverable
from ingest.kafka.original import Original, original_of, reason_of

POSITION: dict[str, str | int | None] = {"topic": "iotout", "partition": 2, "offset": 17}


def letter(*own: Header, reason: str = "device_not_found", **position: str | int | None) -> list[Header]:
    return dead_letter(b"dev-1", b"{}", reason, "no such device", {**POSITION, **position}, own).headers


def test_the_original_has_its_own_headers_and_a_count() -> None:
    headers = letter(("deviceId", b"dev-1"), ("p-a", b"1"), ("p-a", b"2"), ("empty", None))
    assert reason_of(headers) == "device_not_found"
    assert original_of("iotout.dead", headers) == Original(
        "iotout", [("deviceId", b"dev-1"), ("p-a", b"1"), ("p-a", b"2"), ("empty", None), ("ingest-redriven", b"1")]
    )


def test_a_record_that_comes_back_is_counted_on() -> None:
    headers = letter(("a", b"b"))
    for times in range(1, 12):
        original = original_of("iotout.dead", headers)
        assert original.headers == [("a", b"b"), ("ingest-redriven", b"%d" % times)]
        headers = letter(*original.headers)


def test_headers_of_the_sender_that_look_like_ours_count_for_nothing() -> None:
    headers = letter(("ingest-topic", b"elsewhere"), ("ingest-reason", b"mine"), ("ingest-redriven", b"-5"))
    assert reason_of(headers) == "device_not_found"
    assert original_of("iotout.dead", headers) == Original("iotout", [("ingest-redriven", b"1")])


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "not_a_dead_letter"),
        ([("ingest-topic", b"iotout")], "not_a_dead_letter"),
        (letter(topic=None), "no_origin"),
        (letter(topic="iotout.dead"), "bad_origin"),
        (letter(topic="a b"), "bad_origin"),
        (without_body(dead_letter(None, b"x" * 9, "too_large", "s", POSITION)).headers, "body_omitted"),
    ],
)
def test_what_cannot_be_sent_again(headers: list[Header], code: str) -> None:
    with pytest.raises(Undeliverable) as raised:
        original_of("iotout.dead", headers)
    assert raised.value.reason == code


names = st.sampled_from(["ingest-reason", "ingest-topic", "ingest-redriven", "ingest-body-omitted", "a", "deviceId"])
values = st.one_of(st.none(), st.text(max_size=5), st.binary(max_size=5), st.just(b"iotout"))


@given(st.lists(st.tuples(names, values)))
def test_any_headers_give_an_original_or_a_reason(headers: list[Header]) -> None:
    assert reason_of(headers)
    try:
        original = original_of("iotout.dead", headers)
    except Undeliverable:
        return
    assert original.topic
    assert original.headers[:-1] == [header for header in headers if not header[0].startswith("ingest-")]
