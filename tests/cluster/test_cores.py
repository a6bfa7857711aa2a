"""CPU time is counted once, wherever it was spent."""

import os
import subprocess
import sys

from tests.cluster.cores import Cores, own_seconds, seconds, words

_WORK = "import time\nwhile time.process_time() < 0.3: pass"


def test_the_work_of_children_that_have_ended_can_count_as_their_parents() -> None:
    me = os.getpid()
    cores = Cores({"all": lambda: {me: seconds(me)}, "own": lambda: {me: own_seconds(me)}})
    before = seconds(me)
    subprocess.run([sys.executable, "-c", _WORK], check=True)
    assert seconds(me) - before >= 0.25
    found = cores.since()
    assert found["all"] > found["own"]


def test_each_process_counts_from_when_it_was_seen_last() -> None:
    times = {1: 5.0}
    cores = Cores({"some": lambda: dict(times)})
    times[1], times[2] = 6.0, 1.0
    assert cores.since()["some"] > 0
    assert cores.since()["some"] == 0
    del times[1]
    assert cores.since()["some"] == 0


def test_a_process_that_is_gone_has_no_time() -> None:
    assert seconds(2**30) == own_seconds(2**30) == 0


def test_the_cores_are_told_in_one_clause() -> None:
    assert words({"brokers": 0.5, "nodes": 0}).startswith("cores: brokers 0.50, nodes 0.00; load average ")
