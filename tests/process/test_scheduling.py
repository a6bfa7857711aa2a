import os
import threading
from collections.abc import Callable

import pytest

from ingest.process import scheduling


def in_a_thread(act: Callable[[], int]) -> int:
    """What `act` returns: a policy is a thread's own, so a test changes none but this one's."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(act()))
    thread.start()
    thread.join()
    return found[0]


def batched() -> int:
    scheduling.batch()
    return os.sched_getscheduler(0)


def test_a_thread_and_those_that_it_begins_work_in_batches() -> None:
    def begun_by_it() -> int:
        assert batched() == os.SCHED_BATCH
        return in_a_thread(lambda: os.sched_getscheduler(0))

    assert in_a_thread(begun_by_it) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_policy_that_somebody_has_chosen_stays() -> None:
    def chosen() -> int:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return batched()

    assert in_a_thread(chosen) == os.SCHED_IDLE


def test_where_it_is_forbidden_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    assert in_a_thread(batched) == os.SCHED_OTHER
