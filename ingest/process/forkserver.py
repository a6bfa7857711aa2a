"""The fork server of the child processes: it has loaded their imports, so that they start at once."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from multiprocessing import forkserver, process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Final

from ingest import scarcity
from ingest.early_signals import SENT_TO_ALL
from ingest.timing import Deadline

PRELOAD = "ingest.process.preload"
LONGEST_TEMPORARY_FOLDER = 70
SHORT_TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - a name to fall back to; multiprocessing makes a private folder in it
DESCRIPTORS: Final = 16
"""More than the start of a child and of a fork server takes."""
GONE: Final = 255
"""The exit code that multiprocessing reports for a child if the fork server has ended."""

LOOK_SECONDS: Final = 0.005

_left_alone: list[int] = []
"""Unreachable fork servers; each ends with its last child."""


class NotStarted(Exception):
    """A child could not be started. `str()` says why, one clause; another try can succeed."""


def context(preloads: Sequence[str]) -> ForkServerContext:
    """Returns the context of children that import `preloads`. The server itself starts with the first child."""
    _shorten_temporary_folder()
    _hide_program()
    made = multiprocessing.get_context("forkserver")
    # The last module freezes what all of them have loaded.
    made.set_forkserver_preload([*preloads, PRELOAD])
    return made


def start(
    context: ForkServerContext, target: Callable[[Any, Connection], None], task: Any, name: str
) -> tuple[ForkServerProcess, Connection]:
    """Starts a process that runs `target(task, its end of a pipe)`. Returns it and our end. Raises NotStarted, and then
    leaves nothing behind."""
    ours = theirs = None
    try:
        _have_descriptors()
        ours, theirs = context.Pipe()
        _ensure_running()
        made = context.Process(target=target, args=(task, theirs), name=name, daemon=True)
        made.start()
    except (OSError, EOFError, MemoryError, RuntimeError, multiprocessing.ProcessError) as error:
        for end in (ours, theirs):
            if end is not None:
                end.close()
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            _leave_server()
        raise NotStarted(_words(error)) from error
    theirs.close()
    return made, ours


def _ensure_running() -> None:
    """Starts the fork server, unless it runs; it heeds none of these signals, and its children are born with them blocked. The
    start of a child is not done here: a signal must interrupt it when a frozen fork server never answers."""
    with _blocked():
        resource_tracker.ensure_running()
        with _blocked():  # again: it unblocks two of them
            forkserver.ensure_running()


@contextlib.contextmanager
def _blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SENT_TO_ALL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _words(error: Exception) -> str:
    if isinstance(error, BlockingIOError | EOFError | ConnectionResetError | BrokenPipeError):
        # The fork server could not start or fork, or has ended.
        return scarcity.NO_TASK
    return scarcity.words(error) or f"{type(error).__name__}: {error}"


def _have_descriptors() -> None:
    """Raises OSError if there are too few for a start: multiprocessing, if it fails half-way, leaves some open
    permanently, and with them a process that waits for its task."""
    numbers: list[int] = []
    try:
        numbers += os.pipe()
        while len(numbers) < DESCRIPTORS:
            numbers.append(os.dup(numbers[0]))
    finally:
        for number in numbers:
            os.close(number)


def _leave_server() -> None:
    """Lets the next child come from another fork server in another folder: the temporary folder was cleaned, so the
    socket is gone. The children of the old server go on."""
    server: Any = forkserver._forkserver
    with server._lock:
        if server._forkserver_pid is not None:
            os.close(server._forkserver_alive_fd)
            _left_alone.append(server._forkserver_pid)
        server._forkserver_address = server._forkserver_alive_fd = server._forkserver_pid = None
    current: Any = process.current_process()
    current._config.pop("tempdir", None)
    for pid in list(_left_alone):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        _left_alone.remove(pid)


def end(deadline: Deadline) -> None:
    """Ends the fork servers and multiprocessing's resource tracker, and waits for them, when the children have ended or are
    killed: systemd kills and reports what a service leaves behind.

    Takes no lock: another thread can hang in a start, and hold it.
    """
    server: Any = forkserver._forkserver
    pids, _left_alone[:] = list(_left_alone), []
    if server._forkserver_pid is not None:
        pids.append(server._forkserver_pid)
        os.close(server._forkserver_alive_fd)
        server._forkserver_address = server._forkserver_alive_fd = server._forkserver_pid = None
    for pid in pids:  # they have nothing to save, and would take their time
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        _await_end(pid, deadline)
    tracker: Any = resource_tracker._resource_tracker
    if tracker._pid is not None and tracker._fd is not None:
        # It removes what is left, and ends, once nobody holds this.
        os.close(tracker._fd)
        _await_end(tracker._pid, deadline)
        tracker._fd = tracker._pid = None


def _await_end(pid: int, deadline: Deadline) -> None:
    """Waits for one of our own processes; kills it at the deadline."""
    with contextlib.suppress(ChildProcessError):  # somebody else has waited for it
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if deadline.expired:
                os.kill(pid, signal.SIGKILL)
                return
            time.sleep(LOOK_SECONDS)


def _hide_program() -> None:
    """multiprocessing runs the file of the program that started us in each child, for what it may define. Ours defines nothing,
    and would import the whole command line there; only a program that is a package's `__main__` is left alone."""
    program: Any = sys.modules["__main__"]
    if getattr(program, "__spec__", None) is None:
        program.__spec__ = ModuleSpec("ingest.__main__", None)


def _shorten_temporary_folder() -> None:
    """The fork server's socket is in the temporary folder, and the kernel allows 107 bytes for its whole path.

    multiprocessing adds about 30 to the folder's name.
    """
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:  # no folder has room for a few bytes; a socket can still fit
        tempfile.tempdir = SHORT_TEMPORARY_FOLDER
        return
    if len(os.fsencode(folder)) > LONGEST_TEMPORARY_FOLDER and os.access(SHORT_TEMPORARY_FOLDER, os.W_OK):
        tempfile.tempdir = SHORT_TEMPORARY_FOLDER
