"""Who works while nodes share a hub: CPU time of groups of processes, in cores."""

import os
import time
from collections.abc import Callable, Mapping

import psutil

Groups = Mapping[str, Callable[[], Mapping[int, float]]]
"""Name → its processes now, each with its CPU time in seconds."""


class Cores:
    """`since` again and again."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._at = time.monotonic()
        self._taken = self._seconds()

    def since(self) -> dict[str, float]:
        """Returns name → cores that it used on average since the last call. Processes that are gone are left out."""
        before, began = self._taken, self._at
        self._taken, self._at = self._seconds(), time.monotonic()
        passed = max(self._at - began, 0.01)
        return {
            name: round(sum(max(0.0, now - before[name].get(pid, 0.0)) for pid, now in found.items()) / passed, 2)
            for name, found in self._taken.items()
        }

    def _seconds(self) -> dict[str, Mapping[int, float]]:
        return {name: processes() for name, processes in self._groups.items()}


def own_seconds(pid: int) -> float:
    """CPU time of a process; 0 if it is gone."""
    return sum(_times(pid)[:2])


def seconds(pid: int) -> float:
    """CPU time of a process and of its children that have ended; 0 if it is gone."""
    return sum(_times(pid)[:4])


def _times(pid: int) -> tuple[float, ...]:
    """User and system time, its own and of its children that have ended."""
    try:
        return tuple(psutil.Process(pid).cpu_times())
    except psutil.NoSuchProcess:
        return ()


def words(cores: Mapping[str, float]) -> str:
    """One clause, with how many processes run or wait for a core."""
    shares = ", ".join(f"{name} {share:.2f}" for name, share in cores.items())
    return f"cores: {shares}; load average {os.getloadavg()[0]:.0f}"
