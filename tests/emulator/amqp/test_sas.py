import base64
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote

import pytest
from azure.eventhub._pyamqp.utils import generate_sas_token
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.amqp.sas import BadToken, Claims, sign, verify

KEY = b"a key"
NOW = 1_700_000_000


def key_of(known: str | None) -> Callable[[str | None], bytes | None]:
    return lambda policy: KEY if policy == known else None


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


@given(resource=texts, policy=texts | st.none(), expiry=st.integers(NOW + 1, 2**40))
def test_what_is_signed_is_verified(resource: str, policy: str | None, expiry: int) -> None:
    token = sign(resource, KEY, expiry, policy)
    assert verify(token, key_of(policy), NOW) == Claims(resource, policy, expiry)


def test_tokens_of_the_event_hubs_client_are_verified() -> None:
    audience = "sb://localhost:5672/hub/consumergroups/$default"
    token = generate_sas_token(audience, "service", KEY.decode(), NOW + 10)  # type: ignore[no-untyped-call]
    assert verify(token, key_of("service"), NOW) == Claims(audience, "service", NOW + 10)


@pytest.mark.uamqp
def test_tokens_of_the_iot_hub_client_are_verified() -> None:
    from azure.iot.hub.sastoken import SasToken

    token = str(SasToken("hub.azure-devices.net/devices/a#1", "YSBrZXk=", "service", 3600))
    assert verify(token, key_of("service"), NOW).resource == "hub.azure-devices.net/devices/a#1"


@pytest.mark.parametrize("encoded", ["hub/devices/a+b", "hub%2fdevices%2fa%20b", "hub%2Fdevices%2Fa+b"])
def test_the_resource_may_be_encoded_in_any_way(encoded: str) -> None:
    signature = base64.b64encode(hmac.digest(KEY, f"{encoded}\n{NOW + 1}".encode(), hashlib.sha256)).decode()
    token = f"SharedAccessSignature sig={quote(signature)}&se={NOW + 1}&sr={encoded}"
    assert verify(token, key_of(None), NOW).resource == "hub/devices/a b"


def test_a_signature_may_carry_its_plus_signs_unencoded() -> None:
    token = next(token for expiry in range(NOW + 1, NOW + 100) if "%2B" in (token := sign("hub", KEY, expiry)))
    assert verify(token.replace("%2B", "+"), key_of(None), NOW).resource == "hub"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (sign("hub", b"other key", NOW + 1), "InvalidSignature: the token has an invalid signature"),
        (sign("hub", KEY, NOW + 1, "stranger"), "InvalidSignature: policy 'stranger' is not known"),
        (sign("hub", KEY, NOW), "ExpiredToken: the token expired 0 s ago"),
        (sign("hub", KEY, NOW + 1).replace(f"se={NOW + 1}", f"se={NOW + 2}"), "InvalidSignature"),
        (sign("hub", KEY, NOW + 1).replace("sr=hub", "sr=hub2"), "InvalidSignature"),
        (sign("hub", KEY, NOW + 1).replace("sr=hub&", ""), "MalformedToken: the token lacks sr"),
        (sign("hub", KEY, NOW + 1).replace(f"se={NOW + 1}", "se=soon"), "MalformedToken: 'se'"),
        ("SharedAccessSignature ", "MalformedToken: the token lacks sr, sig, se"),
        ("Bearer abc", "MalformedToken: a token is"),
        ("SharedAccessSignature sr=\udcff", "MalformedToken: a token is"),
        ("", "MalformedToken"),
    ],
)
def test_bad_tokens_are_refused_with_the_reason(token: str, why: str) -> None:
    with pytest.raises(BadToken, match=why) as caught:
        verify(token, key_of(None), NOW)
    assert caught.value.expired == why.startswith("ExpiredToken")
    assert "sig=" not in str(caught.value)


@given(st.text(max_size=200).map(lambda text: f"SharedAccessSignature {text}"))
def test_any_text_is_refused_and_nothing_worse(token: str) -> None:
    with pytest.raises(BadToken):
        verify(token, lambda _: KEY, NOW)
