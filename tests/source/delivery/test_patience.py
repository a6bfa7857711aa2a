"""The longer Kafka takes, the longer a turn waits; a turn with many events makes it impatient again."""

import pytest

from ingest.source.delivery.patience import FEW, LEAST_SECONDS, MORE, MOST_SECONDS, Patience


def test_a_busy_broker_is_asked_less_often() -> None:
    patience = Patience()
    waits = [patience.turn(3) for _ in range(20)]
    assert waits[0] == LEAST_SECONDS
    assert waits == sorted(waits)
    assert waits[-1] == MOST_SECONDS
    assert sum(waits) > 100 * LEAST_SECONDS


def test_it_ends_little_later_than_the_answer() -> None:
    patience, waited = Patience(), 0.0
    for _ in range(20):
        wait = patience.turn(0)
        assert wait <= max(LEAST_SECONDS, MORE * waited) + 1e-9
        waited += wait


@pytest.mark.parametrize("events", [FEW, 10 * FEW])
def test_many_events_are_read_on_at_once(events: int) -> None:
    patience = Patience()
    assert [patience.turn(events) for _ in range(20)] == [LEAST_SECONDS] * 20


def test_the_next_wait_begins_anew() -> None:
    patience = Patience()
    for _ in range(20):
        patience.turn(0)
    patience.over()
    assert patience.turn(0) == LEAST_SECONDS
