"""A node is cut off from everything, and comes back; left out, aloud, where nobody can make networks."""

import json
import subprocess
import sys
from itertools import chain

import pytest

from tests.services import ROOT

SECONDS = 240
"""It takes about 20."""
OPTIONS = {
    "--events": "cut",
    "--cuts": "silent",
    "--delivery": "exactly_once",
    "--nodes": "2",
    "--partitions": "4",
    "--brokers": "1",
    "--rate": "400",
    "--session-ms": "4000",
    # It is back as soon as the other node has its partitions.
    "--away-seconds": "0",
    "--settle-seconds": "1",
}


@pytest.mark.networks
@pytest.mark.services
@pytest.mark.faults
def test_a_node_that_was_cut_off_changes_nothing_when_it_is_back() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster", *chain.from_iterable(OPTIONS.items())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert [each["event"] for each in result["events"]] == ["cold start", "cut (silent)", "cut (silent): back"]
    assert result["sent"] > 1_000
    assert (result["lost"], result["repeated"], result["devices_out_of_order"]) == (0, 0, 0)
