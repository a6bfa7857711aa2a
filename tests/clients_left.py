"""Fails a test that leaves a client of librdkafka behind: it looks for its broker for the rest of the run, on a port that another
test's broker has by then."""

import gc
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

_TASKS: Final = Path("/proc/self/task")
_MAIN: Final = "rdk:main\n"
"""Each client has one thread of this name, from its making to its end."""
_GONE_SECONDS: Final = 5.0
"""The kernel shows a thread for a moment after it was joined."""


class ClientsLeft:
    """A plugin. What a fixture of a wider scope has made may stay; so may what a failed test has, whose traceback holds it, and
    what a test with the mark `services` has, whose broker is there for the whole run."""

    def __init__(self) -> None:
        self._allowed: set[str] = set()
        self._failed = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        before = clients()
        try:
            return (yield)
        finally:
            self._allowed |= clients() - before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        self._failed = item.session.testsfailed
        yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        yield
        if isinstance(item, pytest.Function):
            item.funcargs.clear()  # as pytest does next
        left = self._left()
        excused = item.session.testsfailed != self._failed or item.get_closest_marker("services") is not None
        if left and not excused:
            gc.collect()  # a client and its callbacks can be a cycle
            left = self._left(_GONE_SECONDS)
        self._allowed |= left
        if left and not excused:
            pytest.fail(
                f"{len(left)} clients of librdkafka are left: close consumers, and drop the last reference to the others",
                pytrace=False,
            )

    def _left(self, seconds: float = 0.0) -> set[str]:
        """Clients that should not be there, once they are gone or the time is over."""
        end = time.monotonic() + seconds
        while left := clients() - self._allowed:
            if time.monotonic() >= end:
                return left
            time.sleep(0.01)
        return left


def clients() -> set[str]:
    """Returns the ids of the threads of this process that stand for one client each."""
    found = set()
    for task in _TASKS.iterdir():
        try:
            if (task / "comm").read_text() == _MAIN:
                found.add(task.name)
        except OSError:  # it has ended meanwhile
            continue
    return found
