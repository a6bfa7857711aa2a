import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import dead_letter, without_body
from ingest.kafka.dead_letters.restore import Place, is_omitted, place_of, reason_of, redriven
from ingest.kafka.header_names import Header

POSITION: dict[str, str | int | None] = {"topic": "iotout", "partition": 2, "offset": 17}


def letter(*own: Header, reason: str = "device_not_found", **position: str | int | None) -> list[Header]:
    return dead_letter(b"dev-1", b"{}", reason, "no such device", {**POSITION, **position}, own).headers


def test_the_original_has_its_own_headers_and_a_count() -> None:
    own: list[Header] = [("deviceId", b"dev-1"), ("p-a", b"1"), ("p-a", b"2"), ("empty", None)]
    headers = letter(*own)
    assert reason_of(headers) == "device_not_found"
    assert place_of("iotout.dead", headers) == Place("iotout", 2, 17)
    assert not is_omitted(headers)
    assert redriven(headers, headers) == [*own, ("ingest-redriven", b"1")]


def test_a_record_that_comes_back_is_counted_on() -> None:
    headers = letter(("a", b"b"))
    for times in range(1, 12):
        again = redriven(headers, headers)
        assert again == [("a", b"b"), ("ingest-redriven", b"%d" % times)]
        headers = letter(*again)


def test_headers_of_the_sender_that_look_like_ours_count_for_nothing() -> None:
    headers = letter(("ingest-topic", b"elsewhere"), ("ingest-reason", b"mine"), ("ingest-redriven", b"-5"))
    assert reason_of(headers) == "device_not_found"
    assert place_of("iotout.dead", headers) == Place("iotout", 2, 17)
    assert redriven(headers, headers) == [("ingest-redriven", b"1")]


def test_a_letter_without_its_body_says_so() -> None:
    assert is_omitted(without_body(dead_letter(None, b"x" * 9, "too_large", "s", POSITION)).headers)


def test_what_came_from_elsewhere_has_no_place() -> None:
    assert place_of("iotout.dead", letter(topic=None)) is None


@pytest.mark.parametrize("number", [None, "", "x", "-1", "1" * 30, "²"])
def test_a_place_that_is_no_number_is_none(number: str | None) -> None:
    assert place_of("iotout.dead", letter(offset=number)) == Place("iotout", 2, -1)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "not_a_dead_letter"),
        ([("ingest-topic", b"iotout")], "not_a_dead_letter"),
        (letter(topic="iotout.dead"), "bad_origin"),
        (letter(topic="a b"), "bad_origin"),
    ],
)
def test_what_cannot_be_sent_again(headers: list[Header], code: str) -> None:
    with pytest.raises(Undeliverable) as raised:
        place_of("iotout.dead", headers)
    assert raised.value.reason == code


names = st.sampled_from(["ingest-reason", "ingest-topic", "ingest-redriven", "ingest-body-omitted", "a", "deviceId"])
values = st.one_of(st.none(), st.text(max_size=5), st.binary(max_size=5), st.just(b"iotout"))


@given(st.lists(st.tuples(names, values)))
def test_any_headers_give_a_place_or_a_reason(headers: list[Header]) -> None:
    assert reason_of(headers)
    assert redriven(headers, headers)[:-1] == [header for header in headers if not header[0].startswith("ingest-")]
    try:
        place = place_of("iotout.dead", headers)
    except Undeliverable:
        return
    assert place is None or place.topic
