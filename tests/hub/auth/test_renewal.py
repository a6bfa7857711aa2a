"""When tokens are fetched again."""

import random

from hypothesis import given
from hypothesis import strategies as st

from ingest.hub.auth.contract import Held
from ingest.hub.auth.renewal import SHORTEST_SECONDS, Renewal
from ingest.timing import Backoff


@given(st.floats(2, 1e6), st.floats(0, 1e9))
def test_a_token_is_renewed_at_half_of_its_life(life: float, now: float) -> None:
    renewal = Renewal()
    assert renewal.due < now
    renewal.fetched(Held("a", now + life), now)
    assert abs(renewal.due - (now + max(life / 2, SHORTEST_SECONDS))) < 1e-3


@given(st.floats(2, 1e5), st.lists(st.sampled_from(["again", "fails", "new"]), max_size=40))
def test_whatever_the_endpoint_answers_it_is_asked_again_and_not_in_a_storm(life: float, answers: list[str]) -> None:
    renewal, now, held = Renewal(backoff=Backoff(1.0, 60.0, rng=random.Random(1))), 0.0, Held("0", life)
    renewal.fetched(held, now)
    for number, answer in enumerate(answers, start=1):
        now = renewal.due
        if answer == "fails":
            renewal.failed("503", now, refused=False)
            assert renewal.news is not None
            assert renewal.news.held == held, "the last token is kept, whether it holds or not"
        else:
            held = held if answer == "again" else Held(str(number), now + life)
            renewal.fetched(held, now)
        assert 0.1 <= renewal.due - now <= max(60.0, life / 2) + 1e-3


def test_only_one_who_never_had_a_token_is_refused() -> None:
    renewal = Renewal()
    renewal.failed("no such application", 0.0, refused=True)
    assert renewal.news is not None
    assert renewal.news.refused
    renewal.fetched(Held("a", 100.0), 1.0)
    renewal.failed("no such application", 50.0, refused=True)
    assert not renewal.news.refused


def test_what_has_not_changed_is_no_news() -> None:
    renewal = Renewal()
    for _ in range(3):
        renewal.failed("503", 0.0, refused=False)
    assert renewal.version == 1
    for _ in range(3):
        renewal.fetched(Held("a", 100.0), 1.0)
    assert renewal.version == 2
