"""Waiting for what other processes do: one place that polls, always with a deadline."""

import os
import select
import threading
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
PATIENCE_SECONDS = 60.0
"""Far above what anything takes: a test that waits this long has failed, however loaded the machine."""
_LOOK_SECONDS = 0.05


def wait_until(look: Callable[[], _T], what: Callable[[], str] | str, seconds: float = PATIENCE_SECONDS) -> _T:
    """The first true value of `look()`. Raises AssertionError with `what` was missing after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s: {what if isinstance(what, str) else what()}")
        pause.wait(_LOOK_SECONDS)
    return found


def gone(pid: int, seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether the process ends within `seconds`; it need not be a child of ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(handle) as ended:
        return bool(select.select([ended], [], [], seconds)[0])
