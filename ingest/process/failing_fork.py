"""Imported by the fork server: a fork that fails costs one child, and does not end the fork server.

Python's fork server ends at the first fork that the kernel refuses (EAGAIN at a limit of tasks, ENOMEM), and all its
children lose their supervisor. It continues only after ECONNABORTED, so a refused fork raises that here; closing the
descriptors of the request informs the requesting process.
"""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any

_received: list[int] = []
"""The descriptors of the current request."""


class _Reduction:
    """Replaces multiprocessing.reduction, only in the fork server."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def recvfds(self, sock: socket.socket, size: int) -> list[int]:
        try:
            _received[:] = self._stock.recvfds(sock, size)
        except (OSError, EOFError, RuntimeError) as error:  # no descriptor is left, or the peer is gone
            raise _aborted(error) from error
        return list(_received)


class _Os:
    """Replaces the module os, only in the fork server."""

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


class _Connection:
    """Replaces multiprocessing.connection, only in the fork server. From Python 3.14 on each request begins with a
    handshake, and a client that ends during it resets the connection."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def deliver_challenge(self, peer: Any, key: bytes) -> None:
        self._greet(self._stock.deliver_challenge, peer, key)

    def answer_challenge(self, peer: Any, key: bytes) -> None:
        self._greet(self._stock.answer_challenge, peer, key)

    @staticmethod
    def _greet(step: Callable[[Any, bytes], None], peer: Any, key: bytes) -> None:
        try:
            step(peer, key)
        except OSError as error:
            raise _aborted(error) from error


def _aborted(error: Exception) -> OSError:
    with contextlib.suppress(OSError):
        print(f"A child process cannot be started: {error}", file=sys.stderr, flush=True)
    return ConnectionAbortedError(errno.ECONNABORTED, str(error))


def install() -> None:
    """Patches this process's fork server, whose loop is the same in Python 3.11 to 3.14 but for that handshake."""
    server: Any = forkserver
    server.os = _Os()
    server.reduction = _Reduction(server.reduction)
    server.connection = _Connection(server.connection)
