import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sink.commands.field_names import HEADERS, KEYS, is_of_others, nearest

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("deviceid", "deviceId"),
        ("DeviceID", "deviceId"),
        ("device_id", "deviceId"),
        ("device-id", "deviceId"),
        ("device.Id", "deviceId"),
        ("deviceId ", "deviceId"),
        ("\ufeffdeviceId", "deviceId"),
        ("d\u0435viceId", "deviceId"),
        ("deviceIds", "deviceId"),
        ("devceId", "deviceId"),
        ("deviecId", "deviceId"),
        ("expirytime", "expiryTime"),
        ("expiry_time", "expiryTime"),
        ("Expiry", "expiry"),
        ("expire", "expiry"),
        ("messageID", "messageId"),
        ("messages", "message"),
        ("acks", "ack"),
        ("Ack", "ack"),
        ("content-encoding", "contentEncoding"),
        ("contenttype", "contentType"),
        ("Properties", "properties"),
        ("ModuleId", "moduleId"),
        ("module_id", "moduleId"),
    ],
)
def test_what_was_meant(name: str, meant: str) -> None:
    assert nearest(name) == meant


@pytest.mark.parametrize(
    "name", ["", "id", "device", "payload", "priority", "expires", "expiryTimeUtc", "x", "üü", "ttl"]
)
def test_names_of_others(name: str) -> None:
    assert nearest(name) is None


@given(st.sampled_from(KEYS), st.data())
def test_one_letter_of_any_name(key: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(key) - 1))
    letter = data.draw(st.sampled_from(LETTERS))
    more = key[:at] + letter + key[at:]
    less = key[:at] + key[at + 1 :]
    other = key[:at] + letter + key[at + 1 :]
    swapped = key[:at] + key[at + 1 : at + 2] + key[at : at + 1] + key[at + 2 :]
    for name in (more, less, other, swapped, key.swapcase(), key.replace("I", "_i").replace("T", "_t")):
        assert nearest(name) is not None, name


@given(st.text(max_size=20))
def test_two_letters_more_are_another_name(text: str) -> None:
    meant = nearest("zq" + text.replace(" ", "") + "qz")
    assert meant is None or meant in KEYS
    assert nearest("deviceId" + "zq") is None


def test_headers_have_no_message_and_no_properties() -> None:
    assert set(KEYS) - set(HEADERS) == {"message", "properties"}
    assert nearest("Message", HEADERS) is None


def test_headers_of_tracing_systems_and_our_own() -> None:
    for name in ("traceparent", "TraceState", "baggage", "b3", "X-B3-TraceId", "uber-trace-id", "ingest-redriven"):
        assert is_of_others(name), name
    for name in ("trace", "colour", "deviceId"):
        assert not is_of_others(name), name
