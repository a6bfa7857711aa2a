"""Imported by the fork server: a fork that fails is one child less, and not the end of the fork server.

That of Python ends with the first fork that the kernel refuses (EAGAIN at a limit of tasks, ENOMEM), and every child that
it made loses its supervisor. It goes on only after ECONNABORTED, so that is what a refused fork raises here; the
descriptors that came with the request are closed, which tells who asked.
"""

import contextlib
import errno
import os
import socket
import sys
from multiprocessing import forkserver
from typing import Any

_received: list[int] = []
"""The descriptors of the request that is being served."""


class _Reduction:
    """In place of multiprocessing.reduction, in the fork server only."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def recvfds(self, sock: socket.socket, size: int) -> list[int]:
        try:
            _received[:] = self._stock.recvfds(sock, size)
        except (OSError, EOFError, RuntimeError) as error:  # no descriptor is left, or who asked has gone
            raise _aborted(error) from error
        return list(_received)


class _Os:
    """In place of the module os, in the fork server only."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    @staticmethod
    def fork() -> int:
        try:
            return os.fork()
        except OSError as error:
            for number in _received:
                with contextlib.suppress(OSError):
                    os.close(number)
            raise _aborted(error) from error


def _aborted(error: Exception) -> OSError:
    with contextlib.suppress(OSError):
        print(f"A child process cannot be started: {error}", file=sys.stderr, flush=True)
    return ConnectionAbortedError(errno.ECONNABORTED, str(error))


def install() -> None:
    """Changes this process's fork server. Python 3.11 to 3.13 have the same one."""
    server: Any = forkserver
    server.os = _Os()
    server.reduction = _Reduction(server.reduction)
