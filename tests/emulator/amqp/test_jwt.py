"""What the emulator looks at in a token of Entra."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.amqp import jwt
from ingest.emulator.amqp.sas import BadToken

NOW = 1_700_000_000.0


def token(**claims: object) -> str:
    payload = {"aud": "https://eventhubs.azure.net/", "exp": NOW + 60, "nbf": NOW - 60} | claims
    parts = [b"{}", json.dumps(payload).encode(), b"sig"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.mark.parametrize("audience", ["https://eventhubs.azure.net/", "https://eventhubs.azure.net"])
def test_a_token_for_the_audience_holds_until_its_expiry(audience: str) -> None:
    assert jwt.read(token(aud=audience), jwt.EVENT_HUBS, NOW).expiry == NOW + 60


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"aud": "https://storage.azure.com"}, "InvalidAudience"),
        ({"exp": NOW}, "ExpiredToken"),
        ({"nbf": NOW + 5}, "compare the clocks"),
        ({"exp": None}, "MalformedToken"),
        ({"exp": "soon"}, "MalformedToken"),
        ({"exp": True}, "MalformedToken"),
        ({"aud": ["https://eventhubs.azure.net/"]}, "MalformedToken"),
    ],
)
def test_any_other_is_refused(claims: dict[str, object], words: str) -> None:
    with pytest.raises(BadToken, match=words):
        jwt.read(token(**claims), jwt.EVENT_HUBS, NOW)


@given(st.text(max_size=60) | st.lists(st.text(max_size=10), max_size=4).map(".".join))
def test_no_text_is_more_than_a_bad_token(text: str) -> None:
    with pytest.raises(BadToken):
        jwt.read(text, jwt.EVENT_HUBS, NOW)
