"""A command topic of which an open transaction hides the rest."""

import pytest

from ingest.sink.intake.held_back import AGAIN_SECONDS, HELD_SECONDS, HeldBack


def test_a_transaction_that_does_not_end_is_told_now_and_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = [0.0]
    held = HeldBack(lambda: clock[0])
    for clock[0], high, told in (
        (0.0, 12, 0),
        (HELD_SECONDS - 1, 15, 0),
        (HELD_SECONDS, 20, 1),
        (HELD_SECONDS + 60, 25, 1),
        (HELD_SECONDS + AGAIN_SECONDS, 30, 2),
    ):
        held.take("iotout", 3, 10, high)
        assert len(caplog.records) == told
    assert "Topic iotout, partition 3: a transaction of another program holds back 10 offsets from 10 on" in caplog.text


def test_transactions_one_after_the_other_hold_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    held = HeldBack(lambda: now)
    for number in range(10):
        held.take("iotout", 0, 10 * number, 10 * number + 5)
        held.take("iotout", 1, 10, 12)
        held.take("iotout", 1, 12, 12)
        held.take("iotout", 2, -1, 12)
        now += HELD_SECONDS
    assert not caplog.records
