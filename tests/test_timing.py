import random

from hypothesis import given
from hypothesis import strategies as st

from ingest.timing import Backoff, Deadline


@given(st.floats(0.001, 10), st.floats(10, 1000), st.integers(0, 200), st.integers())
def test_waits_grow_to_the_cap_and_no_further(initial: float, cap: float, tries: int, seed: int) -> None:
    backoff = Backoff(initial, cap, rng=random.Random(seed))
    for n in range(tries):
        wait = backoff.next()
        ceiling = min(cap, initial * 2.0 ** min(n, 32))
        assert 0.1 * ceiling <= wait <= ceiling


def test_reset_makes_the_next_wait_short_again() -> None:
    backoff = Backoff(1.0, 60.0, rng=random.Random(1))
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1.0


def test_counts_down_and_never_goes_negative() -> None:
    now = 100.0
    deadline = Deadline(5.0, clock=lambda: now)
    assert deadline.remaining() == 5.0
    assert not deadline.expired
    now = 104.0
    assert deadline.remaining() == 1.0
    now = 107.0
    assert deadline.remaining() == 0.0
    assert deadline.expired
