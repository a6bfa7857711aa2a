"""A transaction is due after its interval, and later while brokers take long to commit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.delivery.due import CALM, CALM_SECONDS, Due


def test_a_transaction_is_due_an_interval_after_the_first_event_that_waited() -> None:
    due = Due(0.5)
    due.wait(100.0)
    assert due.seconds(100.2, begun=False) == pytest.approx(0.3)
    due.begin()
    due.wait(100.4)
    assert due.seconds(100.4, begun=True) == pytest.approx(0.1)
    assert due.seconds(100.4, begun=False) == pytest.approx(0.5)
    assert due.seconds(101.0, begun=True) == 0


def test_brokers_that_answer_soon_are_asked_each_interval() -> None:
    due = Due(0.5)
    due.committed(0.02, 100.0)
    due.wait(100.0)
    assert due.seconds(100.0, begun=False) == pytest.approx(0.5)


@given(st.floats(0.3, 100.0))
def test_busy_brokers_get_a_rest(took: float) -> None:
    due = Due(0.5)
    due.wait(100.0)
    due.committed(took, 100.0 + took)
    assert due.seconds(100.0 + took, begun=False) == pytest.approx(min(CALM_SECONDS, CALM * took))
