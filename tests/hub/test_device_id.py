import string
from urllib.parse import quote, unquote

from hypothesis import given
from hypothesis import strategies as st

from ingest.hub import device_id as device_ids

ALPHABET = string.ascii_letters + string.digits + "-:.+%_#*?!(),=@;$'"
"""Of the REST reference."""
ids = st.text(st.sampled_from(ALPHABET), min_size=1, max_size=128)


def uri_component(device_id: str) -> str:
    """encodeURIComponent, as the Node service client encodes an id."""
    return quote(device_id, safe="!'()*")


def url_encode(device_id: str) -> str:
    """WebUtility.UrlEncode, another encoder of .NET's."""
    return quote(device_id, safe="!()*")


def test_the_whole_documented_alphabet_is_legal() -> None:
    assert device_ids.is_legal(ALPHABET)
    assert all(mark in device_ids.ALLOWED for mark in ALPHABET if not mark.isalnum())
    for wrong in ("", "x" * 129, "a b", "a/b", "a\n", "gerät", 'a"b', "a\\b", "a&b", "a~b"):
        assert not device_ids.is_legal(wrong), wrong


@given(ids)
def test_an_address_holds_the_id_and_nothing_else(device_id: str) -> None:
    prefix, suffix = "/devices/", "/messages/devicebound"
    address = device_ids.devicebound(device_id)
    assert address.startswith(prefix)
    assert address.endswith(suffix)
    encoded = address[len(prefix) : -len(suffix)]
    assert set(encoded) <= set(string.ascii_letters + string.digits + "-._~%")
    assert unquote(encoded) == device_id
    assert unquote(uri_component(device_id)) == unquote(url_encode(device_id)) == device_id


def test_addresses_of_ids_that_look_encoded() -> None:
    assert device_ids.devicebound("valve%41") == "/devices/valve%2541/messages/devicebound"
    assert device_ids.devicebound("a+b;c") == "/devices/a%2Bb%3Bc/messages/devicebound"
    assert device_ids.devicebound("valve-1_a.b") == "/devices/valve-1_a.b/messages/devicebound"
