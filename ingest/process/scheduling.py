"""The kernel's scheduling policy for processes that work on many events at a time: SCHED_BATCH, sched(7)."""

import contextlib
import os


def batch() -> None:
    """A thread that wakes up waits for the running one's time slice to end (some 3 ms), instead of taking its place at once.

    Otherwise, on busy cores, the thread that reads and those of its Kafka client drive each other out of the CPU's caches
    more than once a millisecond. With this policy they are interrupted half as often, and an event costs some 5 % less.
    Threads begun later inherit it. A policy that somebody has chosen stays, and where this is forbidden, all is as before:
    our systemd units forbid it, and set the policy themselves.
    """
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
