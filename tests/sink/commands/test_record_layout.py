"""Where the parts of a command are found, and that nothing in a record is passed over in silence."""

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Undeliverable
from ingest.sink.commands.field_names import HEADERS, KEYS
from ingest.sink.commands.record_layout import MOST_PASSED_OVER, Headers, RawCommand, read
from tests.sink.commands.test_json_text import values

DEVICE: tuple[str, bytes] = ("deviceId", b"d1")


def of(text: str, headers: Headers = ()) -> RawCommand:
    return read(text.encode(), headers)


def refused(value: bytes, headers: Headers = ()) -> tuple[str, str]:
    with pytest.raises(Undeliverable) as caught:
        read(value, headers)
    return caught.value.reason, str(caught.value)


@given(values.filter(lambda value: not value.startswith('"')))
def test_any_message_but_a_string_is_the_bytes_that_were_written(message: str) -> None:
    fields = of(f'{{"deviceId":"d1", "message" : {message} \n,"after":1}}')
    assert fields.body == message.encode()


@pytest.mark.parametrize(
    "message",
    [
        '{"n": 123456789012345678901234567890, "p": 10.00}',
        '{ "a" :\t1 ,\n "a": 2 }',
        '{"s":"\\ud800 \\/ \\u00e9 \u00e9"}',
        "1e400",
        "-0",
        "10.00",
        "true",
        "[1 , 2]",
        "null",
        "[" * 300 + "]" * 300,
    ],
)
def test_messages_as_written(message: str) -> None:
    for parts in permutations(('"deviceId":"d1"', f'"message": {message} ', '"messageId":"m"')):
        assert of("{" + ",".join(parts) + "}").body == message.encode()


def test_a_string_is_sent_without_quotes_and_escapes() -> None:
    assert of('{"deviceId":"d1","message":"\\u00e9 \\ud83d\\ude00\\n\\u0000\\ufeff"}').body == "é 😀\n\0\ufeff".encode()
    assert refused(b'{"deviceId":"d1","message":"\\ud83d"}') == (
        "malformed",
        "The message has one half of a surrogate pair, which is no text: write both halves.",
    )


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b'\xef\xbb\xbf {"deviceId":"d1","message":[1]}', ()) == of('{"deviceId":"d1","message":[1]}')
    assert read(b"\xef\xbb\xbfon", [DEVICE]).body == b"\xef\xbb\xbfon", "a body is nobody's to change"


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_there_twice_is_refused(key: str) -> None:
    reason, sentence = refused(f'{{"{key}":"d1","x":1,"{key}":"d2"}}'.encode())
    assert (reason, f"the key '{key}' more than once" in sentence) == ("malformed", True)


def test_properties_as_written() -> None:
    fields = of(
        '{"deviceId":"d1","message":"on","properties":'
        '{"price": 10.00, "big":123456789012345678901234567890, "on" :true,"off":false,"gone":null,"text":"10.0"}}'
    )
    assert fields.properties == {
        "price": "10.00",
        "big": "123456789012345678901234567890",
        "on": "true",
        "off": "false",
        "text": "10.0",
    }
    twice = b'{"deviceId":"d1","message":"on","properties":{"a":1,"a":1}}'
    assert refused(twice)[0] == "invalid_property"


MISSPELT = [
    ("deviceid", "deviceId"),
    ("expirytime", "expiryTime"),
    ("Ack", "ack"),
    ("content-encoding", "contentEncoding"),
]


@pytest.mark.parametrize(("name", "meant"), [*MISSPELT, ("mesage", "message"), ("Properties", "properties")])
def test_a_key_with_another_case_or_letter(name: str, meant: str) -> None:
    reason, sentence = refused(json.dumps({"deviceId": "d1", "message": "on", name: "x"}).encode())
    assert (reason, f"'{name}' is not known: did you mean {meant}?" in sentence) == ("unknown_field", True)
    assert of(json.dumps({"deviceId": "d1", "message": "on", name: None})).passed_over == (), "null means absent"


@pytest.mark.parametrize(("name", "meant"), [*MISSPELT, ("P-kind", "p-kind")])
def test_a_header_with_another_case_or_letter(name: str, meant: str) -> None:
    reason, sentence = refused(b"on", [(name, b"x"), *([] if meant == "deviceId" else [DEVICE])])
    assert (reason, f"'{name}' is not known: did you mean {meant}?" in sentence) == ("unknown_field", True)
    assert read(b"on", [(name, None), DEVICE]).passed_over == ()


def test_a_misspelt_header_never_leaves_the_device_to_the_value() -> None:
    value = b'{"deviceId":"d2","message":"on"}'
    assert refused(value, [("device-id", b"d1")])[0] == "unknown_field"
    assert refused(value, [("device_id", b"\xff")])[0] == "invalid_device_id"
    assert read(value, [("device-id", b"d2")]).device_id == "d2", "both say the same"


@pytest.mark.parametrize("name", ["message", "properties"])
def test_keys_that_are_no_headers(name: str) -> None:
    assert refused(b"on", [DEVICE, (name, b"x")])[0] == "unknown_field"


def test_other_names_are_told() -> None:
    assert of('{"deviceId":"d1","message":"on","priority":1,"\\ud800":2,"gone":null}').passed_over == (
        "the key 'priority'",
        r"the key '\ud800'",
    )
    headers: Headers = [DEVICE, ("colour", b"\xff"), ("traceparent", b"00-1"), ("X-B3-TraceId", "1"), ("gone", None)]
    assert read(b"on", headers).passed_over == ("the header 'colour'",)


def test_headers_that_say_something_of_a_command_in_json_are_told() -> None:
    headers: Headers = [("expiryTime", b"2020-01-01T00:00:00Z"), ("colour", b"red"), ("p-kind", b"set")]
    fields = of('{"deviceId":"d1","message":"on"}', headers)
    assert fields.passed_over == (
        "the header 'expiryTime', beside no header deviceId,",
        "the header 'p-kind', beside no header deviceId,",
    )
    assert fields.expiry is None


def test_few_of_many_names_are_kept() -> None:
    record = {f"key {number}": number for number in range(1000)}
    assert len(of(json.dumps({"deviceId": "d1", "message": "on", **record})).passed_over) == MOST_PASSED_OVER


def test_a_module_is_found_wherever_it_is_named() -> None:
    value = '{"deviceId":"d1","message":"on"}'
    assert of('{"deviceId":"d1","message":"on","moduleId":"m"}').module_id == "m"
    assert read(b"on", [DEVICE, ("moduleId", b"m")]).module_id == "m"
    assert of(value, [("moduleId", b"m")]).module_id == "m", "also beside JSON"
    assert of(value).module_id is None


def test_of_repeated_headers_the_last_counts() -> None:
    assert read(b"on", [("deviceId", b"d2"), DEVICE]).device_id == "d1"
    assert read(b"on", [DEVICE, ("deviceId", None)]).device_id is None
    assert read(b"on", [DEVICE, ("ack", b"full"), ("ack", None)]).ack is None


@given(st.sampled_from(HEADERS), st.text(max_size=9))
def test_both_shapes_have_the_same_fields(name: str, text: str) -> None:
    in_json = of(json.dumps({"deviceId": "d1", "message": "on", name: text}))
    assert read(b"on", [("deviceId", b"d1"), (name, text.encode())]) == _without_null_properties(in_json)


def _without_null_properties(fields: RawCommand) -> RawCommand:
    return fields._replace(properties={})
