"""A plugin for pytest: leaves out what this machine cannot run, and says in the summary why."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from ingest.extras import UAMQP, is_installed
from tests.cluster import networks
from tests.systemd.live import ability

_LEFT_OUT = "left_out"


class Need(NamedTuple):
    """What the tests with a mark need."""

    mark: str
    lacking: Callable[[], str]
    """What is lacking, as a clause; empty if nothing is."""


NEEDS = (
    Need("uamqp", lambda: "" if is_installed(UAMQP) else "uamqp is not installed"),
    Need("networks", lambda: (lack := networks.lacking()) and f"no node can be cut off, as {lack}"),
    Need("boots", lambda: (lack := ability.lacking()) and f"no machine can be booted, as {lack}"),
)


class LeftOut:
    """Tests with a mark of `NEEDS` are deselected where something is lacking. With several test processes, each has the same
    ones."""

    def __init__(self) -> None:
        self._left_out: dict[str, int] = {}
        """What is lacking → how many tests need it."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        for need in NEEDS:
            left_out = [item for item in items if item.get_closest_marker(need.mark)]
            if left_out and (lack := need.lacking()):
                self._left_out[lack] = len(left_out)
                config.hook.pytest_deselected(items=left_out)
                items[:] = [item for item in items if item not in left_out]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output: dict[str, dict[str, int]] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_LEFT_OUT] = self._left_out

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        self._left_out |= getattr(node, "workeroutput", {}).get(_LEFT_OUT, {})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for lack, count in self._left_out.items():
            tests = "1 test that needs" if count == 1 else f"{count} tests that need"
            terminalreporter.section(f"{lack}: {tests} it {'is' if count == 1 else 'are'} left out")
