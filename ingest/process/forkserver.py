"""The fork server of the child processes: it has loaded their imports, so that they start at once."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from multiprocessing import forkserver, process
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Final

from ingest import scarcity

PRELOAD = "ingest.process.preload"
LONGEST_TEMPORARY_FOLDER = 70
SHORT_TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - a name to fall back to; multiprocessing makes a private folder in it
DESCRIPTORS: Final = 16
"""More than the start of a child and of a fork server takes."""
GONE: Final = 255
"""The exit code that multiprocessing reports for a child if the fork server has ended."""

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


def kill() -> None:
    """Ends a fork server that does not answer, when this process is about to end."""
    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        with contextlib.suppress(OSError):
            os.kill(server._forkserver_pid, signal.SIGKILL)


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
