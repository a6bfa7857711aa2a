import base64
import json
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.devices.batch import CONTENT_TYPE, MOST_MESSAGES, BadBatch, is_batch, messages

NOTHING = dict.fromkeys(("content_type", "content_encoding", "message_id", "correlation_id"))
names = st.text(ascii_letters, min_size=1, max_size=10)


@given(
    st.lists(st.tuples(st.binary(max_size=50), st.dictionaries(names, st.text(max_size=20))), min_size=1, max_size=9)
)
def test_what_microsofts_device_clients_send_is_read(sent: list[tuple[bytes, dict[str, str]]]) -> None:
    rows = [
        {
            "body": base64.b64encode(body).decode(),
            "base64Encoded": True,
            "properties": {f"iothub-app-{name}": value for name, value in properties.items()},
        }
        for body, properties in sent
    ]
    assert [found[:2] for found in messages(json.dumps(rows).encode())] == sent


def test_defaults_text_and_system_properties() -> None:
    rows = [
        {"body": "eA=="},
        {"body": "zwölf", "base64Encoded": False, "properties": {"plain": "1", "iothub-other": "x"}},
        {"Body": "n", "base64encoded": False, "else": 1, "properties": {"iothub-app-n": 1.5, "iothub-app-b": True}},
        {"body": "", "properties": {"iothub-messageid": "m", "IoTHub-ContentType": "a/b", "iothub-app-X": "y"}},
    ]
    assert messages(json.dumps(rows).encode()) == [
        (b"x", {}, NOTHING),
        ("zwölf".encode(), {"plain": "1"}, NOTHING),
        (b"n", {"n": "1.5", "b": "true"}, NOTHING),
        (b"", {"X": "y"}, {**NOTHING, "message_id": "m", "content_type": "a/b"}),
    ]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"{}", "JSON array"),
        (b"[]", "0 messages"),
        (json.dumps([{"body": ""}] * (MOST_MESSAGES + 1)).encode(), "501 messages"),
        (b'[{"body":""},1]', "Message 1"),
        (b'[{"data":""}]', "Message 0"),
        (b'[{"body":1}]', "Message 0"),
        (b'[{"body":"","base64Encoded":"no"}]', "'no'"),
        (b'[{"body":"no base64"}]', "base64Encoded"),
        ('[{"body":"ü"}]'.encode(), "base64Encoded"),
        (b'[{"body":"","properties":{"a":{}}}]', "properties"),
        (b'[{"body":"","properties":{"a":null}}]', "properties"),
        (b'[{"body":"","properties":[1]}]', "properties"),
    ],
)
def test_what_is_no_batch_is_refused_in_words(raw: bytes, words: str) -> None:
    with pytest.raises(BadBatch, match=words):
        messages(raw)


def test_the_header_tells() -> None:
    assert is_batch(CONTENT_TYPE)
    assert is_batch("Application/vnd.Microsoft.IoTHub.json; charset=utf-8")
    assert not is_batch("application/json")
    assert not is_batch(None)
