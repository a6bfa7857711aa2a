"""When links are opened, given up and opened again, for every order in which they come and go."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.hub.reconnect import STEADY_SECONDS, ReconnectPolicy
from ingest.timing import Backoff

ATTACH_SECONDS = 15.0


def policy() -> ReconnectPolicy:
    return ReconnectPolicy(ATTACH_SECONDS, backoff=Backoff(0.2, 20.0, rng=random.Random(1)))


def test_no_link_is_due_before_the_start_nor_after_a_stop() -> None:
    life = policy()
    assert life.seconds_until_due(5.0) == math.inf
    life.start(5.0)
    assert life.seconds_until_due(5.0) == 0
    life.stop()
    assert life.stopped
    assert life.seconds_until_due(1e9) == math.inf


def test_a_link_that_does_not_come_up_is_overdue_and_one_that_is_up_never() -> None:
    life = policy()
    life.start(0.0)
    life.opened(1.0)
    assert not life.overdue(1.0 + ATTACH_SECONDS)
    assert life.overdue(1.1 + ATTACH_SECONDS)
    assert life.came_up()
    assert not life.came_up(), "news once"
    assert not life.overdue(1e6)


def test_a_key_that_has_worked_is_remembered_over_every_end_and_pause() -> None:
    life = policy()
    life.start(0.0)
    life.opened(0.0)
    assert not life.known_to_work
    life.ended(1.0)
    assert not life.known_to_work
    life.opened(30.0)
    life.came_up()
    life.ended(31.0)
    life.stop()
    life.closed()
    life.start(32.0)
    assert life.known_to_work


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 100.0)), min_size=1, max_size=40))
def test_waits_grow_until_a_link_was_steady(lives: list[tuple[bool, float]]) -> None:
    """Of each life whether the link came up, and the seconds until it ended."""
    life, now, tries = policy(), 0.0, 0
    life.start(now)
    for number, (comes_up, seconds) in enumerate(lives, 1):
        now += life.seconds_until_due(now)
        life.opened(now)
        assert life.links == number
        if comes_up:
            life.came_up()
        now += seconds
        if comes_up and life.age(now) >= STEADY_SECONDS:
            tries = 0
        wait = life.ended(now)
        ceiling = min(20.0, 0.2 * 2.0**tries)
        assert 0.1 * ceiling <= wait <= ceiling
        assert life.seconds_until_due(now) == pytest.approx(wait)
        assert life.opened_at is None
        assert not life.up
        tries += 1
