import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.amqp.sas import BadToken, sign
from ingest.emulator.device_registry import Devices, UnknownDevice

NOW = 1_700_000_000.0
LEGAL = "abcXYZ019-._%#*?!(),:=@$'"


def registry(known: set[str] | None = None, at: float = NOW) -> Devices:
    return Devices(b"secret", "localhost", lambda: at, known)


@given(st.text(LEGAL, min_size=1, max_size=128))
def test_a_device_with_any_legal_id_gets_in_with_its_own_token(device_id: str) -> None:
    devices = registry()
    claims = devices.authenticate(device_id, devices.token(device_id, 60))
    assert claims.resource == f"localhost/devices/{device_id}"
    assert claims.expiry == NOW + 60


def test_a_token_made_with_the_connection_strings_key_gets_in_under_any_host_name() -> None:
    devices = registry()
    parts = dict(part.split("=", 1) for part in devices.connection_string("a").split(";"))
    assert parts["HostName"] == "localhost"
    assert parts["DeviceId"] == "a"
    key = base64.b64decode(parts["SharedAccessKey"])
    devices.authenticate("a", sign("other.azure-devices.net/devices/a", key, int(NOW) + 1))


def test_an_id_that_was_encoded_twice_gets_in() -> None:
    devices = registry()
    key = base64.b64decode(devices.key("a#1"))
    devices.authenticate("a#1", sign("hub/devices/a%231", key, int(NOW) + 1))


def test_keys_differ_by_device_and_by_secret() -> None:
    assert registry().key("a") == registry().key("a")
    assert registry().key("a") != registry().key("b")
    assert registry().key("a") != Devices(b"other", "localhost", lambda: NOW).key("a")


def test_bad_tokens_are_refused() -> None:
    devices = registry()
    key = base64.b64decode(devices.key("a"))
    expiry = int(NOW) + 1
    with pytest.raises(BadToken, match="InvalidSignature"):
        devices.authenticate("a", devices.token("b"))
    with pytest.raises(BadToken, match="another resource than /devices/a"):
        devices.authenticate("a", sign("localhost/devices/b", key, expiry))
    with pytest.raises(BadToken, match="another resource"):
        devices.authenticate("a", sign("localhost", key, expiry))
    with pytest.raises(BadToken, match="policy 'device'"):
        devices.authenticate("a", sign("localhost/devices/a", key, expiry, "device"))
    with pytest.raises(BadToken, match="ExpiredToken"):
        registry(at=NOW + 61).authenticate("a", devices.token("a", 60))


@pytest.mark.parametrize("device_id", ["", "a/b", "a b", "ä", "a\n", "x" * 129, "a&b", 'a"'])
def test_ids_that_iot_hub_refuses_are_unknown(device_id: str) -> None:
    with pytest.raises(UnknownDevice):
        registry().token(device_id)
    with pytest.raises(UnknownDevice):
        registry({device_id})


def test_a_closed_registry_knows_only_its_own() -> None:
    devices = registry({"a"})
    devices.authenticate("a", devices.token("a"))
    for use in (devices.key, devices.token, devices.connection_string):
        with pytest.raises(UnknownDevice, match="'b' is not registered"):
            use("b")
