"""What a signal means before a process listens: a service while Python imports and reads the configuration, for some tenths
of a second, and its children before they have their handlers.

Otherwise a service that is told to stop right after its start would be killed, as if it had failed. Imports nothing that takes
time: not even `signal`, which loads enum.
"""

import os
from _signal import (  # type: ignore[import-not-found]  # typeshed has no such module
    SIGHUP,
    SIGINT,
    SIGTERM,
    default_int_handler,
    getsignal,
    signal,
)

SENT_TO_ALL = (SIGTERM, SIGINT, SIGHUP)
"""What people, shells and terminals send to all processes of a service at once. Child processes are born with them blocked,
and unblock them once they have their handlers (`ingest.process.forkserver`)."""
INTERRUPTED = 130
"""`ingest.errors.EXIT_INTERRUPTED`, whose module takes time to load."""
_STOPS = (SIGTERM, SIGINT)
_SERVICES = ("run", "source", "sink")
_SERVES = (*_SERVICES, "emulator")
"""Commands that a signal ends well, as that is how they end."""
_reloads: list[int] = []


def heed(arguments: list[str]) -> None:
    """Call it before any import; `arguments` are those of the command line. A stop ends a service at once, with exit code 0: so
    far it has started nothing that must drain. A reload is kept for `take_reload`."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    if command in _SERVES:
        for number in _STOPS:
            signal(number, _end)
    if command in _SERVICES:
        signal(SIGHUP, _remember)


def take_reload() -> bool:
    """Whether a SIGHUP has come; the next call returns False."""
    asked = bool(_reloads)
    _reloads.clear()
    return asked


def leave_quietly() -> None:
    """Call it when a command is over: while Python winds up, Ctrl-C would show a traceback."""
    if getsignal(SIGINT) is default_int_handler:
        signal(SIGINT, lambda *_: os._exit(INTERRUPTED))


def _end(number: int, _: object) -> None:
    os._exit(0)


def _remember(number: int, _: object) -> None:
    _reloads.append(number)
