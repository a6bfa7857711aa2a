"""When tokens are fetched again."""

import random

from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.hub.auth.contract import Held
from ingest.hub.auth.renewal import SET_SECONDS, SHORTEST_SECONDS, SILENT_SECONDS, Renewal
from ingest.timing import Backoff

WALL = 1_700_000_000.0
"""The machine's clock at the start."""


@given(st.floats(2, 1e6), st.floats(0, 1e9))
def test_a_token_is_renewed_at_half_of_its_life(life: float, now: float) -> None:
    renewal = Renewal()
    assert renewal.due < now
    renewal.fetched(Held("a", WALL + life), now, WALL)
    assert abs(renewal.due - (now + max(life / 2, SHORTEST_SECONDS))) < 1e-3


@given(st.floats(2, 1e5), st.lists(st.sampled_from(["again", "fails", "new"]), max_size=40))
def test_whatever_the_endpoint_answers_it_is_asked_again_and_not_in_a_storm(life: float, answers: list[str]) -> None:
    renewal, now, held = Renewal(backoff=Backoff(1.0, 60.0, rng=random.Random(1))), 0.0, Held("0", WALL + life)
    renewal.fetched(held, now, WALL)
    for number, answer in enumerate(answers, start=1):
        now = renewal.due
        if answer == "fails":
            renewal.failed("503", now, refused=False)
            assert renewal.news is not None
            assert renewal.news.held == held, "the last token is kept, whether it holds or not"
        else:
            held = held if answer == "again" else Held(str(number), WALL + now + life)
            renewal.fetched(held, now, WALL + now)
        assert 0.1 <= renewal.due - now <= max(60.0, life / 2) + 1e-3


def test_only_one_who_never_had_a_token_is_refused() -> None:
    renewal = Renewal()
    renewal.failed("no such application", 0.0, refused=True)
    assert renewal.news is not None
    assert renewal.news.refused
    renewal.fetched(Held("a", WALL + 100.0), 1.0, WALL)
    renewal.failed("no such application", 50.0, refused=True)
    assert not renewal.news.refused


def test_what_has_not_changed_is_no_news() -> None:
    renewal = Renewal()
    for _ in range(3):
        renewal.failed("503", 0.0, refused=False)
    assert renewal.version == 1
    for _ in range(3):
        renewal.fetched(Held("a", WALL + 100.0), 1.0, WALL)
    assert renewal.version == 2


@given(st.floats(-1e9, 1e9), st.floats(2, 1e5), st.floats(0, 1))
def test_a_clock_that_is_set_makes_no_token_hold_longer_or_shorter(step: float, life: float, share: float) -> None:
    """As that of a node which starts years off, and is told the time a minute later."""
    assume(abs(abs(step) - SET_SECONDS) > 0.001)
    renewal = Renewal()
    renewal.fetched(Held("a", WALL + life), 0.0, WALL)
    now = life * share
    wall = WALL + now + step
    assert renewal.follow(now, wall) == (abs(step) >= SET_SECONDS)
    assert renewal.news is not None
    assert renewal.news.held is not None
    assert abs(renewal.news.held.seconds(wall) - (life - now)) < SET_SECONDS
    if abs(step) >= SET_SECONDS:
        assert renewal.due <= now, "what the endpoint told by the old clock may be wrong"
        renewal.failed("503", now, refused=False)
        assert renewal.due > now
    assert not renewal.follow(now + 1, wall + 1), "once"


def test_an_answer_that_does_not_end_is_told_once() -> None:
    renewal = Renewal()
    renewal.fetched(Held("a", WALL + 100.0), 0.0, WALL)
    renewal.asked(50.0)
    assert [renewal.is_silent(50.0 + each) for each in (1, SILENT_SECONDS, SILENT_SECONDS + 1)] == [False, True, False]
    assert renewal.news is not None
    assert "has not ended its answer" in (renewal.news.trouble or "")
    assert renewal.news.held is not None, "the last token is kept"
    renewal.fetched(Held("b", WALL + 300.0), 200.0, WALL + 200)
    assert not renewal.is_silent(1e9)
    assert renewal.news.trouble is None
