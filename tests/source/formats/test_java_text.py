"""Java's texts of values, as a Java 17 writes them."""

import math
import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.types import Float
from ingest.errors import Undeliverable
from ingest.source.events.values import again, aside, name_of
from ingest.source.formats.java_numbers import number_text
from ingest.source.formats.java_text import date_text, instant_second, name_text, utf8_text, value_text

NUMBERS = {
    1.0: "1.0",
    100.0: "100.0",
    0.1: "0.1",
    0.001: "0.001",
    0.0009999: "9.999E-4",
    9_999_999.0: "9999999.0",
    1e7: "1.0E7",
    -1.5e10: "-1.5E10",
    1e23: "9.999999999999999E22",
    9.06930671788664e17: "9.0693067178866406E17",
    1 / 3: "0.3333333333333333",
    123_456_789.125: "1.23456789125E8",
    1234.5678: "1234.5678",
    math.pi: "3.141592653589793",
    5e-324: "4.9E-324",
    2.2250738585072014e-308: "2.2250738585072014E-308",
    1.7976931348623157e308: "1.7976931348623157E308",
    math.inf: "Infinity",
    -math.inf: "-Infinity",
}
SINGLES = {
    0.1: "0.1",
    16_777_216.0: "1.6777216E7",
    1.4e-45: "1.4E-45",
    3.4028235e38: "3.4028235E38",
    1.1754944e-38: "1.17549435E-38",
    -1.3439009e13: "-1.34390093E13",
    -5.8090355e25: "-5.8090355E25",
}
DATES = {
    1_543_593_600_123: "Fri Nov 30 16:00:00 UTC 2018",
    0: "Thu Jan 01 00:00:00 UTC 1970",
    -1: "Wed Dec 31 23:59:59 UTC 1969",
    951_782_400_000: "Tue Feb 29 00:00:00 UTC 2000",
    -12_219_292_800_000: "Fri Oct 15 00:00:00 UTC 1582",
    -12_219_292_800_001: "Thu Oct 04 23:59:59 UTC 1582",
    -62_135_769_600_000: "Sat Jan 01 00:00:00 UTC 1",
    -(1 << 63): "Sun Dec 02 16:47:04 UTC 292269055",
    (1 << 63) - 1: "Sun Aug 17 07:12:55 UTC 292278994",
}
INSTANTS = {
    -62_167_219_201: "-0001-12-31T23:59:59",
    -62_167_219_200: "0000-01-01T00:00:00",
    253_402_300_800: "+10000-01-01T00:00:00",
    -(1 << 63) // 1000: "-292275055-05-16T16:47:04",
    ((1 << 63) - 1) // 1000: "+292278994-08-17T07:12:55",
}
VALUES: list[tuple[Any, str]] = [
    (None, "null"),
    (True, "true"),
    ((1 << 64) - 1, "18446744073709551615"),
    (["a", 1, None, True, [0.5]], "[a, 1, null, true, [0.5]]"),
    (Float(struct.unpack(">f", b"\x3d\xcc\xcc\xcd")[0]), "0.1"),
    (struct.unpack(">f", b"\x3d\xcc\xcc\xcd")[0], "0.10000000149011612"),
    (2147483648.0, "2.147483648E9"),
    ([Float(2147483648.0)], "[2.14748365E9]"),
    ({"a": 1, "b": {"c": None}}, "{a=1, b={c=null}}"),
    ({"$map": [[5, "a"], [None, {}]]}, "{5=a, null={}}"),
    ({"$binary": "AEEKXH+A/w=="}, "\\x00A\\x0a\\x5c\\x7f\\x80\\xff"),
    ({"$string": "/3Y="}, "\ufffdv"),
    ({"$timestamp": 0}, "Thu Jan 01 00:00:00 UTC 1970"),
    ({"$uuid": "00112233-4455-6677-8899-aabbccddeeff"}, "00112233-4455-6677-8899-aabbccddeeff"),
    ({"$char": "x"}, "x"),
    ({"$double": "NaN"}, "NaN"),
    ({"$decimal": "1.50"}, "1.50"),
    ({"$described": ["of:x", 5]}, '{"$described":["of:x",5]}'),
]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_numbers(number: float) -> None:
    assert number_text(number) == NUMBERS[number]


def test_a_number_keeps_its_sign_and_may_be_none() -> None:
    assert (number_text(-0.0), number_text(0.0), number_text(math.nan)) == ("-0.0", "0.0", "NaN")


@pytest.mark.parametrize("number", SINGLES)
def test_numbers_of_32_bits_have_the_digits_of_32_bits(number: float) -> None:
    (single,) = struct.unpack(">f", struct.pack(">f", number))
    assert number_text(single, single=True) == SINGLES[number]


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_can_be_read_back(double: float, single: float) -> None:
    assert float(number_text(double)) == double
    assert struct.pack(">f", float(number_text(single, single=True))) == struct.pack(">f", single)


@pytest.mark.parametrize("milliseconds", DATES)
def test_dates(milliseconds: int) -> None:
    assert date_text(milliseconds) == DATES[milliseconds]


@given(st.datetimes(datetime(1583, 1, 1), datetime(9999, 12, 31)))
def test_any_date(naive: datetime) -> None:
    date = naive.replace(microsecond=0, tzinfo=UTC)
    seconds = int((date - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    assert date_text(seconds * 1000 + 999) == date.strftime("%a %b %d %H:%M:%S UTC ") + str(date.year)
    assert instant_second(seconds) == date.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)


@pytest.mark.parametrize("seconds", INSTANTS)
def test_times_far_away(seconds: int) -> None:
    assert instant_second(seconds) == INSTANTS[seconds]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_values(value: Any, text: str) -> None:
    assert value_text(value) == text


@given(st.binary(max_size=12))
def test_a_name_is_its_key_again(key: bytes) -> None:
    assert name_text(name_of(key)) == name_text(again(name_of(key), 2)) == utf8_text(key)
    if key:
        assert name_text(aside(name_of(b"to"))) == "to"


def test_what_is_no_value_or_name_of_ours_breaks_nothing() -> None:
    assert name_text("%:{") == "%:{"
    with pytest.raises(Undeliverable):
        value_text(object())
