"""What a token endpoint can give in the place of a token, and how long the one that it gives is believed to hold."""

import math

import pytest

from ingest.hub.auth.usable import LONGEST_SECONDS, NotUsable, own_life, usable
from tests.hub.auth.fake_entra import jwt

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a\r\nX-Header: b", "\ud800.x.y", "törichtes", "a" * 40_000, 5, None, b"abc"]
)
def test_what_no_service_could_read_is_no_token(text: object) -> None:
    with pytest.raises(NotUsable, match="what it gives in the place of a token is none"):
        usable(text, NOW + 60, NOW)


@pytest.mark.parametrize("seconds", [0.0, -7.0, -math.inf, math.nan])
def test_a_token_that_has_run_out_when_it_comes_is_none(seconds: float) -> None:
    with pytest.raises(NotUsable, match="has run out when it comes") as raised:
        usable("secret.of.ours", NOW + seconds, NOW)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("seconds", [1e6, 1e17, 1e300, math.inf])
def test_no_endpoint_can_keep_a_token_from_being_renewed(seconds: float) -> None:
    assert usable("opaque", NOW + seconds, NOW).seconds(NOW) == LONGEST_SECONDS
    assert 300 < usable(jwt("aud", 300), NOW + seconds, NOW).seconds(NOW) < 400, "by its own claims"


def test_a_token_holds_as_long_as_its_endpoint_says() -> None:
    assert usable("opaque==", NOW + 3600, NOW).seconds(NOW) == 3600
    assert usable(jwt("aud", 4000), NOW + 3600, NOW).seconds(NOW) == 3600


@pytest.mark.parametrize("claims", [{"exp": None}, {"exp": "soon"}, {"iat": 9e99}, {"exp": 5}])
def test_claims_that_say_nothing_are_passed_over(claims: dict[str, object]) -> None:
    assert own_life(jwt("aud", 60, **claims)) == math.inf
    assert own_life("x.!!!.y") == own_life("opaque") == own_life("a.W10.b") == math.inf
