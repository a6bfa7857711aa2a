"""tests.storm.load: a watch that sees steps back, and calls whose errors are told."""

import pytest

from tests.storm.load import CheckpointWatch, Repeated


def test_a_checkpoint_that_goes_back_is_told_once() -> None:
    watch = CheckpointWatch(dict)
    for number in (5, 9, 9, 3, 4):
        watch.note({"0": number, "1": 7})
    assert watch.backwards == ["partition 0: 9 → 3"]


def test_what_a_call_raises_is_raised_at_the_end() -> None:
    def fail() -> None:
        raise ValueError("no hub")

    calls = Repeated("load", fail)
    calls.start()
    calls.join(30)
    with pytest.raises(ValueError, match="no hub"):
        calls.finish()
