"""What a signal means before a process listens: a service while Python imports and reads the configuration, for some tenths
of a second, and its children before they have their handlers.

Otherwise a service that is told to stop right after its start would be killed, as if it had failed. Imports nothing but what
Python has loaded anyway.
"""

import os
import signal

SENT_TO_ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What people, shells and terminals send to all processes of a service at once. Child processes are born with them blocked,
and unblock them once they have their handlers (`ingest.process.forkserver`)."""
_STOPS = (signal.SIGTERM, signal.SIGINT)
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
            signal.signal(number, _end)
    if command in _SERVICES:
        signal.signal(signal.SIGHUP, _remember)


def take_reload() -> bool:
    """Whether a SIGHUP has come; the next call returns False."""
    asked = bool(_reloads)
    _reloads.clear()
    return asked


def leave_quietly(code: int) -> None:
    """Call it when a command is over, with the exit code of an interrupted one: while Python winds up, Ctrl-C would show a
    traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(code))


def _end(number: int, _: object) -> None:
    os._exit(0)


def _remember(number: int, _: object) -> None:
    _reloads.append(number)
