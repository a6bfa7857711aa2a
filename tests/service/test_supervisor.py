"""The supervisor with real child processes of toy roles."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest

from ingest import __version__
from ingest.config import Config, Metrics, Sink
from ingest.metrics.catalogue import BUILD_INFO, PROCESS_RESTARTS, PROCESS_UP, SOURCE_EVENTS
from ingest.process.supervised import ABORT_SECONDS, STALE_SECONDS
from ingest.service import supervisor as module
from ingest.service.supervisor import UNENDING_SECONDS, Supervisor
from ingest.service.systemd import Notifier
from ingest.timing import Deadline
from tests.faults.waiting import wait_until
from tests.service.toys import toy_directions
from tests.systemd.notify_socket import NotifySocket

PATIENCE = 60.0


def until(supervisor: Supervisor, reached: Callable[[], bool]) -> None:
    deadline = Deadline(PATIENCE)
    while not reached():
        assert not deadline.expired, supervisor.unready()
        supervisor.poll(0.1)


@pytest.fixture
def supervise() -> Iterator[Callable[[str, str], Supervisor]]:
    made: list[Supervisor] = []

    def start(discover: str, partition: str) -> Supervisor:
        directions = toy_directions(discovery=discover, source=partition)
        supervisor = Supervisor(Config(metrics=Metrics(port=0)), roles=("source",), directions=directions)
        made.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in made:
        supervisor.drain(0.1)
        supervisor.exposition.close()


def test_finds_the_partitions_and_runs_a_child_for_each(supervise: Callable[[str, str], Supervisor]) -> None:
    supervisor = supervise("answers", "works")
    assert supervisor.unready() == ["discover 0: starting"]
    until(supervisor, lambda: bool(supervisor.slots) and supervisor.unready() == [])
    assert [slot.task.slot for slot in supervisor.slots] == ["0", "1"]
    until(supervisor, lambda: supervisor.registry.value(SOURCE_EVENTS, "1") > 0)
    assert supervisor.registry.value(PROCESS_UP, "source", "1") == 1
    assert supervisor.registry.value(BUILD_INFO, __version__, sys.version.split()[0]) == 1
    assert supervisor.drain(PATIENCE)
    assert supervisor.registry.value(PROCESS_UP, "source", "1") == 0


def test_a_refused_discovery_is_fatal(supervise: Callable[[str, str], Supervisor]) -> None:
    supervisor = supervise("refused", "works")
    until(supervisor, lambda: supervisor.fatal is not None)
    assert supervisor.fatal == (69, "amqp:not-found: no such hub")


def test_a_refused_partition_is_fatal(supervise: Callable[[str, str], Supervisor]) -> None:
    supervisor = supervise("answers", "refused")
    until(supervisor, lambda: supervisor.fatal is not None)


def test_reasons_name_the_slot(supervise: Callable[[str, str], Supervisor]) -> None:
    supervisor = supervise("answers", "crashes")
    until(supervisor, lambda: "source 0: RuntimeError: boom" in supervisor.unready())


def test_children_that_do_not_drain_in_time_are_ended(supervise: Callable[[str, str], Supervisor]) -> None:
    supervisor = supervise("answers", "hangs")
    until(supervisor, lambda: bool(supervisor.slots) and supervisor.unready() == [])
    pids = [slot.pid for slot in supervisor.slots]
    assert not supervisor.drain(0.3)
    wait_until(lambda: not any(pid and psutil.pid_exists(pid) for pid in pids), "a child is still there")


def test_the_status_line_tells_what_works_and_what_does_not(supervise: Callable[[str, str], Supervisor]) -> None:
    supervisor = supervise("answers", "works")
    assert supervisor.status == "starting; discover 0: starting"
    until(supervisor, lambda: bool(supervisor.slots) and supervisor.unready() == [])
    assert supervisor.status == "receiving 2 of 2 partitions"
    pid = supervisor.slots[1].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(supervisor, lambda: bool(supervisor.unready()))
    assert supervisor.status == "receiving 1 of 2 partitions; source 1: killed by SIGKILL"
    supervisor.drain(PATIENCE)
    assert supervisor.status == "draining, 0 processes are left"


def test_a_fatal_start_is_the_status(supervise: Callable[[str, str], Supervisor]) -> None:
    supervisor = supervise("refused", "works")
    until(supervisor, lambda: supervisor.fatal is not None)
    assert supervisor.status == "cannot start: amqp:not-found: no such hub"


def test_the_watchdog_is_withheld_when_a_hung_child_cannot_be_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A child that hangs is replaced while systemd is kept content; one that not even a kill ends is reason enough to
    start everything again."""
    ahead = 0.0
    with NotifySocket(tmp_path) as systemd:

        def clock() -> float:
            return time.monotonic() + ahead

        environ = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "200000"}
        supervisor = Supervisor(
            Config(metrics=Metrics(port=0), sink=Sink(processes=1)),
            roles=("sink",),
            directions=toy_directions(sink="works"),
            notifier=Notifier(environ, clock=clock),
            clock=clock,
        )
        try:
            supervisor.start()
            until(supervisor, lambda: supervisor.unready() == [])
            [slot] = supervisor.slots
            pid = slot.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            with monkeypatch.context() as immortal:
                immortal.setattr("multiprocessing.context.ForkServerProcess.kill", lambda _: None)
                systemd.take()
                ahead += STALE_SECONDS + ABORT_SECONDS + 1
                slot._polled_at += STALE_SECONDS + ABORT_SECONDS + 1  # we were awake all the time
                supervisor.poll(0)
                supervisor.poll(0)
                assert supervisor.coping
                assert "WATCHDOG=1" in systemd.take()
                ahead += UNENDING_SECONDS
                slot._polled_at += UNENDING_SECONDS
                supervisor.poll(0)
                assert not supervisor.coping
                assert "WATCHDOG=1" not in systemd.take()
            until(supervisor, lambda: slot.pid not in (None, pid) and slot.ready)
            assert supervisor.coping
            supervisor.poll(0)
            systemd.wait("WATCHDOG=1")
        finally:
            supervisor.drain(PATIENCE)
            supervisor.exposition.close()


@pytest.fixture
def supervise_sink() -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def start(worker: str, feedback: str = "works", **sink: Any) -> Supervisor:
        config = Config(metrics=Metrics(port=0), sink=Sink(**sink))
        directions = toy_directions(sink=worker, feedback=feedback)
        supervisor = Supervisor(config, roles=("sink",), directions=directions)
        made.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in made:
        supervisor.drain(0.1)
        supervisor.exposition.close()


def test_the_sink_has_as_many_processes_as_asked_for_and_one_budget(
    supervise_sink: Callable[..., Supervisor],
) -> None:
    supervisor = supervise_sink("shows_budget", processes=3)
    assert [(slot.task.role, slot.task.slot) for slot in supervisor.slots] == [("sink", str(n)) for n in range(3)]
    until(supervisor, lambda: supervisor.unready() == [])
    [budget] = {slot.detail for slot in supervisor.slots}
    assert Path(budget).is_file()
    assert supervisor.drain(PATIENCE)
    assert Path(budget).parent == Path(f"/proc/{os.getpid()}/fd"), "nothing is left in the temporary folder"


def test_turns_go_to_as_many_children_as_there_are_cores_and_on_when_one_dies(
    supervise_sink: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cores", lambda: 1)
    monkeypatch.setattr("ingest.process.catch_up_turns.LOST_SECONDS", 10 * PATIENCE)
    supervisor = supervise_sink("takes_a_turn", processes=3)
    until(supervisor, lambda: all(slot.detail in ("waits", "has its turn") for slot in supervisor.slots))
    until(supervisor, lambda: any(slot.ready for slot in supervisor.slots))
    [first] = [slot for slot in supervisor.slots if slot.ready]
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    until(supervisor, lambda: any(slot.ready for slot in supervisor.slots if slot is not first))
    assert [slot.ready for slot in supervisor.slots].count(True) == 1


@pytest.mark.parametrize(("ack", "roles"), [("none", ["sink"]), ("negative", ["sink", "feedback"])])
def test_feedback_has_a_process_only_when_it_is_asked_for(
    supervise_sink: Callable[..., Supervisor], ack: str, roles: list[str]
) -> None:
    supervisor = supervise_sink("works", processes=1, ack=ack)
    assert [slot.task.role for slot in supervisor.slots] == roles
    until(supervisor, lambda: supervisor.unready() == [])
    assert supervisor.registry.value(PROCESS_UP, roles[-1], "0") == 1


def test_a_killed_sink_process_comes_back_to_the_same_budget(supervise_sink: Callable[..., Supervisor]) -> None:
    supervisor = supervise_sink("shows_budget", processes=1)
    until(supervisor, lambda: supervisor.unready() == [])
    [slot] = supervisor.slots
    budget, first = slot.detail, slot.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(supervisor, lambda: slot.pid not in (None, first) and slot.ready)
    assert slot.detail == budget
    assert supervisor.registry.value(PROCESS_RESTARTS, "sink", "0") == 1


def test_the_loop_outlives_what_runs_out_in_it_and_no_child_waits_for_another(
    supervise_sink: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervise_sink("works", processes=2)
    until(supervisor, lambda: supervisor.unready() == [])
    first, second = supervisor.slots
    full = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    for lacks in (full, MemoryError()):
        with monkeypatch.context() as scarce:
            scarce.setattr(first, "poll", Mock(side_effect=lacks))
            assert second.pid is not None
            os.kill(second.pid, signal.SIGKILL)
            until(supervisor, lambda: not second.alive)
            scarce.setattr("multiprocessing.connection.wait", Mock(side_effect=lacks))
            supervisor.poll(0)
        until(supervisor, lambda: supervisor.unready() == [])
    assert "no file descriptor is left" in caplog.text
    assert "no memory is left" in caplog.text


def test_a_refused_sink_is_fatal(supervise_sink: Callable[..., Supervisor]) -> None:
    supervisor = supervise_sink("refused", processes=1)
    until(supervisor, lambda: supervisor.fatal is not None)
    assert supervisor.fatal is not None
    assert supervisor.fatal[0] == 69


PROGRAM = """
import os
import sys
from ingest.service import run as service
from ingest.service import supervisor
from ingest.config import Config, Metrics, Service, Source
from ingest.errors import ConfigError, Problem
from tests.service.toys import toy_directions, use

service.KILLED_SECONDS = service.SPARE_SECONDS = 0.5  # of the last resort
toys = toy_directions(discovery="answers", source=os.environ.get("INGEST_TEST_PARTITION", "works"))
supervisor.all_directions = lambda: toys
seconds = Service(shutdown_seconds=int(os.environ.get("INGEST_TEST_SECONDS", "30")))
config = Config(metrics=Metrics(port=0), service=seconds)
answers = [config, Config(metrics=Metrics(port=0), source=Source(topic="other"), service=seconds)]

def reload():
    if "INGEST_TEST_TRIAL" in os.environ and len(answers) == 1:
        use(toys, "discovery", os.environ["INGEST_TEST_TRIAL"])
    if not answers:
        raise ConfigError([Problem("source.topic", "?", "not legal")])
    return answers.pop(0)

if __name__ == "__main__":
    sys.exit(service.run(config, roles=("source",), reload=reload))
"""


def test_a_long_temporary_folder_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    program = Program(tmp_path, TMPDIR=str(folder))
    program.working()
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(PATIENCE) == 0


class Program:
    """The supervisor in a process of its own, for what only a process has: signals and a death."""

    def __init__(self, folder: Path, **environment: str) -> None:
        script = folder / "program.py"
        script.write_text(PROGRAM)
        self.log = folder / "log"
        root = Path(__file__).parents[2]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script)],
                stderr=log,
                cwd=root,
                env={**os.environ, "PYTHONPATH": str(root), **environment},
            )

    def logged(self, words: str, times: int = 1) -> None:
        deadline = Deadline(PATIENCE)
        while self.log.read_text().count(words) < times:
            assert not deadline.expired, self.log.read_text()
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            assert self.log.read_text().count(words) >= times, self.log.read_text()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def working(self) -> None:
        """Until both roles and the fork server's parts are there."""
        self.logged("Receiving from 2 partitions")
        deadline = Deadline(PATIENCE)
        while len(self.family()) < 4:
            assert not deadline.expired, self.family()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    if made.process.poll() is None:
        family = made.family()
        made.process.kill()
        made.process.wait()
        psutil.wait_procs(family, PATIENCE)


def running_of(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are there now, and not only their exit codes."""
    found = []
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            if each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def test_sigterm_drains_and_exits_with_0(program: Program) -> None:
    program.working()
    family = program.family()
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(PATIENCE) == 0
    assert "Stopped." in program.log.read_text()
    assert running_of(family) == [], "systemd would kill and report what outlives the service"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_that_goes_to_all_processes_drains_too(program: Program, number: signal.Signals) -> None:
    """As `timeout`, `pkill ingest` and a terminal send it."""
    program.working()
    family = program.family()
    program.process.send_signal(number)
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # the supervisor has told it, too
            each.send_signal(number)
    assert program.process.wait(PATIENCE) == 0
    assert "Stopped." in program.log.read_text()
    assert "the process that starts the others has ended" not in program.log.read_text()
    assert running_of(family) == []


def test_a_reload_that_goes_to_all_processes_ends_none(program: Program) -> None:
    program.working()
    before = {each.pid for each in program.family()}
    for pid in [*before, program.process.pid]:
        os.kill(pid, signal.SIGHUP)
    program.logged("the configuration has not changed")
    assert {each.pid for each in running_of(program.family())} == before


@contextlib.contextmanager
def running(folder: Path, **environment: str) -> Iterator[Program]:
    made = Program(folder, **environment)
    try:
        yield made
    finally:
        family = made.family() if made.process.poll() is None else []
        made.process.kill()
        made.process.wait()
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, PATIENCE)


def test_an_end_that_could_not_save_everything_says_so(tmp_path: Path) -> None:
    with NotifySocket(tmp_path) as systemd:
        with running(tmp_path, INGEST_TEST_PARTITION="cannot_save", NOTIFY_SOCKET=systemd.address) as program:
            program.working()
            program.process.send_signal(signal.SIGTERM)
            assert program.process.wait(PATIENCE) == 1
        words = "source 0: the last checkpoint is not written (Kafka has not answered)"
        assert f"Stopped, and not all was saved: {words}; source 1: " in program.log.read_text()
        assert words in systemd.wait("STATUS=stopped, and not all was saved")


def fork_server(program: Program) -> psutil.Process:
    """The parent of the children that work."""
    [server] = [each for each in program.family() if each.children()]
    return server


@pytest.fixture
def short() -> Iterator[Path]:
    """A temporary folder in which a socket's path is not too long."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_frozen_fork_server_holds_no_end_up(tmp_path: Path, short: Path) -> None:
    with running(tmp_path, TMPDIR=str(short), INGEST_TEST_SECONDS="20") as program:
        program.working()
        family = program.family()
        server = fork_server(program)
        server.suspend()
        until_stopped(server.pid)
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(PATIENCE) == 0
        assert "Not drained" not in program.log.read_text(), "the children have ended, though nobody tells"
        _, alive = psutil.wait_procs(family, PATIENCE)
        assert alive == []
        assert list(short.iterdir()) == []


def test_a_loop_that_hangs_in_a_frozen_fork_server_ends_by_force(tmp_path: Path) -> None:
    with running(tmp_path, INGEST_TEST_SECONDS="1") as program:
        program.working()
        family = program.family()
        program.process.send_signal(signal.SIGHUP)
        program.logged("the configuration has not changed")
        server = fork_server(program)
        server.suspend()
        until_stopped(server.pid)
        program.process.send_signal(signal.SIGHUP)  # the trial needs a new child
        program.logged("the new configuration is tried")
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(PATIENCE) == 1
        assert "ended by force" in program.log.read_text()
        _, alive = psutil.wait_procs(family, PATIENCE)
        assert alive == []


def test_a_killed_service_leaves_no_folder_behind_its_next_start(tmp_path: Path, short: Path) -> None:
    with running(tmp_path, TMPDIR=str(short)) as killed:
        killed.working()
        [left] = short.iterdir()
    assert left.exists()
    with running(tmp_path, TMPDIR=str(short)) as next_one:
        next_one.working()
        assert not left.exists()
        next_one.process.send_signal(signal.SIGTERM)
        assert next_one.process.wait(PATIENCE) == 0
    assert list(short.iterdir()) == []


def test_children_do_not_outlive_a_killed_supervisor(program: Program) -> None:
    program.working()
    family = program.family()
    program.process.kill()
    program.process.wait()
    _, alive = psutil.wait_procs(family, PATIENCE)
    assert alive == []


def test_sighup_takes_a_good_configuration_and_refuses_a_bad_one(program: Program) -> None:
    program.working()
    program.process.send_signal(signal.SIGHUP)
    program.logged("the configuration has not changed")
    program.process.send_signal(signal.SIGHUP)
    program.logged("the source starts again with it")
    program.logged("Receiving from 2 partitions", times=2)
    program.process.send_signal(signal.SIGHUP)
    program.logged("going on with the old one: source.topic = ?: not legal")
    assert program.process.poll() is None


def test_a_stop_overtakes_reloads(tmp_path: Path) -> None:
    """However many there are, and though the services do not answer."""
    program = Program(tmp_path, INGEST_TEST_TRIAL="hangs")
    try:
        program.working()
        program.process.send_signal(signal.SIGHUP)
        program.logged("the configuration has not changed")
        program.process.send_signal(signal.SIGHUP)
        program.logged("the new configuration is tried")
        for _ in range(20):
            program.process.send_signal(signal.SIGHUP)
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(PATIENCE) == 0
    finally:
        program.process.kill()
        program.process.wait()


def until_stopped(pid: int) -> None:
    deadline = Deadline(PATIENCE)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        assert not deadline.expired


def test_systemd_hears_of_start_watchdog_reload_and_stop(tmp_path: Path) -> None:
    with NotifySocket(tmp_path) as systemd:
        program = Program(tmp_path, NOTIFY_SOCKET=systemd.address, WATCHDOG_USEC="1000000")
        try:
            systemd.wait("READY=1")
            assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in systemd.said)
            assert "STATUS=receiving 2 of 2 partitions" in systemd.said
            for _ in range(3):
                systemd.wait("WATCHDOG=1")
            assert [child.pid for child in program.family() if "NOTIFY_SOCKET" in child.environ()] == []

            program.process.send_signal(signal.SIGHUP)
            program.logged("the configuration has not changed")
            systemd.wait("RELOADING=1\nMONOTONIC_USEC=")
            systemd.wait("READY=1")

            program.process.send_signal(signal.SIGHUP)
            systemd.wait("RELOADING=1\nMONOTONIC_USEC=")
            before = len(systemd.said)
            systemd.wait("READY=1")
            program.logged("Receiving from 2 partitions", times=2)
            assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in systemd.said[before:])

            # A supervisor that hangs says nothing, however its children are.
            program.process.send_signal(signal.SIGSTOP)
            until_stopped(program.process.pid)
            systemd.take()
            with pytest.raises(AssertionError, match="no 'WATCHDOG=1'"):
                systemd.wait("WATCHDOG=1", seconds=1.5)
            program.process.send_signal(signal.SIGCONT)
            systemd.wait("WATCHDOG=1")

            program.process.send_signal(signal.SIGTERM)
            systemd.wait("STOPPING=1")
            systemd.wait("EXTEND_TIMEOUT_USEC=")
            systemd.wait("STATUS=stopped")
            assert program.process.wait(PATIENCE) == 0
        finally:
            program.process.kill()
            program.process.wait()


def test_a_supervisor_that_systemd_aborts_leaves_its_stacks_in_the_log(program: Program) -> None:
    program.working()
    family = program.family()
    program.process.send_signal(signal.SIGABRT)
    assert program.process.wait(PATIENCE) == -signal.SIGABRT
    assert "most recent call first" in program.log.read_text()
    _, alive = psutil.wait_procs(family, PATIENCE)
    assert alive == []
