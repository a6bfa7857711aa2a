"""tests.services.process and guard: children end with their owner, and a failed start says why."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import ROOT, ServiceError
from tests.services.guard import Guard
from tests.services.process import ServiceProcess

SLEEPER = (sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()")


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard("test")
    yield guard
    guard.close()


def _gone(pid: int, seconds: float) -> bool:
    """Wait for the end of a process that is not our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(handle) as file:
        return bool(select.select([file], [], [], seconds)[0])


def test_a_process_can_be_killed_and_started_again(guard: Guard) -> None:
    process = ServiceProcess("sleeper", SLEEPER, guard)
    for _ in range(2):
        process.start()
        assert process.poll() is None
        process.terminate()
        process.join(10)
    with pytest.raises(ServiceError, match="sleeper is not running"):
        process.poll()


def test_one_that_ignores_the_request_to_stop_is_killed_at_the_deadline(guard: Guard) -> None:
    ready = guard.folder / "ready"
    code = f"import signal; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w').close(); signal.pause()"
    process = ServiceProcess("deaf", (sys.executable, "-c", code), guard)
    process.start()
    process.wait_until(ready.exists, 10)
    pid = process.pid
    process.close()
    process.join(0.1)
    assert _gone(pid, 0)


def test_a_start_that_fails_quotes_the_log(guard: Guard) -> None:
    process = ServiceProcess("broken", (sys.executable, "-c", "print('no such topic'); raise SystemExit(3)"), guard)
    process.start()
    with pytest.raises(ServiceError, match=r"(?s)broken ended with status 3.*no such topic"):
        process.wait_until(lambda: False, 10)
    process.join(10)


def test_one_that_never_answers_is_given_up(guard: Guard) -> None:
    process = ServiceProcess("mute", (sys.executable, "-c", "import signal; signal.pause()"), guard)
    process.start()
    with pytest.raises(ServiceError, match=r"mute does not answer after 0.1 s. It said nothing."):
        process.wait_until(lambda: False, 0.1)
    process.terminate()
    process.join(10)


def test_children_and_folder_go_when_the_owner_is_killed() -> None:
    code = f"""
import signal
from tests.services.guard import Guard
from tests.services.process import ServiceProcess
guard = Guard("test")
process = ServiceProcess("sleeper", {SLEEPER!r}, guard)
process.start()
print(process.pid, guard._process.pid, guard.folder, flush=True)
signal.pause()
"""
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert owner.stdout is not None
    child, watcher, folder = owner.stdout.readline().split()
    assert Path(folder).is_dir()
    owner.send_signal(signal.SIGKILL)
    owner.wait(10)
    owner.stdout.close()
    assert _gone(int(child), 10)
    assert _gone(int(watcher), 10)
    assert not Path(folder).exists()
