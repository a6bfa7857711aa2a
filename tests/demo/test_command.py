"""`ingest demo` as a user runs it: a process, its output, its exit code, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.services import ROOT

pytestmark = pytest.mark.services

DEADLINE_SECONDS = 120
KEYS = [
    "events_sent",
    "events_in_kafka",
    "events_missing",
    "events_duplicated",
    "commands_sent",
    "commands_delivered",
    "commands_missing",
    "seconds",
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Empty, and with a path short enough for sockets, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        yield Path(name)


class Run:
    """One demo, in a temporary directory of its own, with what it has started."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.started: list[psutil.Process] = []

    def until_events_flow(self) -> None:
        assert self.process.stderr is not None
        assert any(" in Kafka, " in line for line in iter(self.process.stderr.readline, ""))
        self.started = psutil.Process(self.process.pid).children(recursive=True)

    def find(self, *words: str) -> psutil.Process:
        [found] = [one for one in self.started if one.is_running() and set(words) <= set(one.cmdline())]
        return found

    def workers(self) -> list[psutil.Process]:
        """The sink's process, which starts first, and those of the source."""
        [server] = [one for one in self.find("run").children() if one.children()]
        return server.children()

    def ended(self) -> tuple[int, str, str]:
        """Exit code and output; asserts that every process it had started is gone soon."""
        out, err = self.process.communicate()
        assert psutil.wait_procs(self.started, timeout=10)[1] == []
        return self.process.returncode, out, err


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[Run]:
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "INGEST__SOURCE__TOPIC": "not-for-the-demo"},
    )
    watchdog = threading.Timer(DEADLINE_SECONDS, process.kill)
    watchdog.start()
    try:
        with process:
            yield Run(process)
            process.kill()
    finally:
        watchdog.cancel()
        watchdog.join()


def test_every_event_and_command_arrives_once_and_nothing_is_left_behind(folder: Path) -> None:
    with demo(folder, "--events", "2000", "--commands", "100", "--json") as run:
        code, out, err = run.ended()
    assert code == 0, err
    last = json.loads(out.splitlines()[-1])
    assert list(last) == KEYS
    assert last.pop("seconds") > 0
    assert last == dict.fromkeys(KEYS[:-1], 0) | {
        "events_sent": 2000,
        "events_in_kafka": 2000,
        "commands_sent": 100,
        "commands_delivered": 100,
    }
    assert "0 events missing, 0 duplicated, 0 out of order" in err
    assert ": 0 missing, 0 repeated, 0 out of order" in err
    assert list(folder.iterdir()) == []


def test_two_demos_at_once_and_one_of_them_without_commands(folder: Path) -> None:
    with (
        demo(folder, "--events", "500", "--commands", "50", "--json") as one,
        demo(folder, "--events", "500", "--commands", "50", "--delivery", "exactly_once", "--json") as other,
        demo(folder, "--events", "500", "--commands", "0", "--json") as silent,
    ):
        ends = [run.ended() for run in (one, other, silent)]
    assert [code for code, _, _ in ends] == [0, 0, 0], ends
    last = [json.loads(out.splitlines()[-1]) for _, out, _ in ends]
    assert [each["commands_delivered"] for each in last] == [50, 50, 0]
    assert [each["events_missing"] + each["commands_missing"] for each in last] == [0, 0, 0]
    assert [each.get("delivery") for each in last] == [None, "exactly_once", None]
    assert (last[1]["events_in_kafka"], last[1]["events_duplicated"]) == (500, 0)
    assert "operator" not in ends[2][2]


def test_ctrl_c_ends_the_devices_and_everything_sent_is_still_counted(folder: Path) -> None:
    with demo(folder, "--seconds", "600", "--partitions", "2") as run:
        run.until_events_flow()
        run.process.send_signal(signal.SIGINT)
        code, out, err = run.ended()
    assert (code, "0 events missing, 0 duplicated, 0 out of order" in out) == (0, True), err
    assert (": 0 missing, 0 repeated, 0 out of order" in out, "An operator sent" in out) == (True, True), out
    assert "Ending the devices" in err
    assert list(folder.iterdir()) == []


@pytest.mark.faults
@pytest.mark.parametrize("worker", [0, 1])
def test_a_killed_worker_costs_nothing(folder: Path, worker: int) -> None:
    with demo(folder, "--seconds", "5", "--partitions", "2", "--json") as run:
        run.until_events_flow()
        run.workers()[worker].kill()
        code, out, err = run.ended()
    assert code == 0, err
    last = json.loads(out.splitlines()[-1])
    assert (last["events_missing"], last["commands_missing"]) == (0, 0)
    assert last["commands_delivered"] == last["commands_sent"] > 0
    assert last["events_in_kafka"] == last["events_sent"] + last["events_duplicated"]


@pytest.mark.faults
def test_an_ingest_that_dies_is_reported_with_its_last_words(folder: Path) -> None:
    with demo(folder, "--seconds", "600", "--partitions", "2", "--json") as run:
        run.until_events_flow()
        run.find("run").kill()
        code, out, err = run.ended()
    assert code == 1
    assert "ingest: `ingest run` ended with status -9. Its last log lines:" in err
    assert "is attached" in err
    assert list(json.loads(out.splitlines()[-1])) == KEYS
    assert list(folder.iterdir()) == []


@pytest.mark.faults
def test_a_hub_that_dies_is_reported(folder: Path) -> None:
    with demo(folder, "--seconds", "600", "--partitions", "2") as run:
        run.until_events_flow()
        run.find("ingest.demo.hub_process").kill()
        code, out, err = run.ended()
    assert (code, out) == (1, "")
    assert "ingest: the hub's process has died." in err
    assert list(folder.iterdir()) == []


@pytest.mark.faults
def test_a_killed_demo_leaves_no_process(folder: Path) -> None:
    with demo(folder, "--seconds", "600", "--partitions", "2") as run:
        run.until_events_flow()
        run.process.kill()
        assert run.ended()[0] == -signal.SIGKILL
