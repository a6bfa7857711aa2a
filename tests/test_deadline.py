from ingest.deadline import Deadline


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
