"""The tokens that a process holds: at hand at once, and who asks is told why there is none."""

import pickle
import threading
from collections.abc import Iterator

import pytest

from ingest.errors import Refused, Unreachable
from ingest.hub.auth.contract import BEARER, EVENT_HUBS, IOT_HUB, Held, NoToken, Token
from ingest.hub.auth.held import HeldTokens, News
from ingest.hub.link_errors import link_ended
from ingest.hub.service_errors import is_refusal

NOW = 1_000.0


@pytest.fixture
def tokens() -> HeldTokens:
    return HeldTokens(lambda: NOW)


def test_a_token_that_holds_is_given_whatever_the_endpoint_says(tokens: HeldTokens) -> None:
    held = Held("a", NOW + 1)
    tokens.take({EVENT_HUBS.name: News(held, "it answers 500")})
    assert tokens.get(EVENT_HUBS) is held
    assert tokens.newest(EVENT_HUBS) is held
    assert tokens.newest(IOT_HUB) is None


def test_one_that_has_run_out_is_said_to_have_and_why_there_is_no_other(tokens: HeldTokens) -> None:
    tokens.take({EVENT_HUBS.name: News(Held("a", NOW - 90), "it answers 500")})
    with pytest.raises(NoToken, match="the token for Event Hubs ran out 90 s ago: it answers 500") as raised:
        tokens.get(EVENT_HUBS)
    assert (raised.value.refused, raised.value.pending) == (False, False)
    ended = link_ended(raised.value)
    assert (ended.verdict, ended.reason) == ("lost", "no_token")
    assert not is_refusal(raised.value)


def test_a_refusal_of_the_first_request_is_one(tokens: HeldTokens) -> None:
    tokens.take({IOT_HUB.name: News(None, "no such application", refused=True)})
    with pytest.raises(NoToken, match="there is no token for IoT Hub: no such application") as raised:
        tokens.get(IOT_HUB)
    assert is_refusal(raised.value)
    wrapped = RuntimeError("the client's own words")
    wrapped.__cause__ = raised.value
    assert (link_ended(wrapped).verdict, str(link_ended(wrapped))) == ("refused", str(raised.value))


def test_who_may_wait_waits_for_the_first_word_alone(tokens: HeldTokens) -> None:
    with pytest.raises(NoToken) as raised:
        tokens.get(EVENT_HUBS)
    assert raised.value.pending
    held = Held("a", NOW + 9)
    telling = threading.Timer(0.05, lambda: tokens.take({EVENT_HUBS.name: News(held)}))
    telling.start()
    assert tokens.get(EVENT_HUBS, wait=60) is held
    tokens.take({EVENT_HUBS.name: News(None, "it answers 500")})
    with pytest.raises(NoToken, match="500"):
        tokens.get(EVENT_HUBS, wait=60)


def test_a_command_that_runs_alone_fetches_for_itself(tokens: HeldTokens) -> None:
    asked: list[str] = []
    answers: Iterator[Unreachable | Held] = iter((Unreachable("it answers 500"), Held("a", NOW + 9)))

    def fetch(service: object) -> Held:
        asked.append("")
        answer = next(answers)
        if isinstance(answer, Held):
            return answer
        raise answer

    tokens.fetch_with(fetch)
    with pytest.raises(NoToken, match="it answers 500"):
        tokens.get(EVENT_HUBS)
    assert [tokens.get(EVENT_HUBS).text for _ in range(3)] == ["a"] * 3
    assert len(asked) == 2

    def refuse(service: object) -> Held:
        raise Refused("no such application")

    tokens.fetch_with(refuse)
    with pytest.raises(NoToken) as raised:
        tokens.get(IOT_HUB)
    assert raised.value.refused


def test_no_repr_shows_a_token() -> None:
    secret = "eyJhbGciOi.eyJhdWQi.c2ln"
    for each in (
        Token(secret, 5.0, kind=BEARER),
        Held(secret, NOW),
        News(Held(secret, NOW)),
        {"a": News(Held(secret, NOW))},
    ):
        assert secret not in f"{each!r} {each}"
        assert pickle.loads(pickle.dumps(each)) == each
