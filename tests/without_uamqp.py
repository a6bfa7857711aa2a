"""A plugin for pytest: leaves out what needs the extra uamqp where it is not installed, and says so in the summary."""

import pytest

from ingest.extras import UAMQP, is_installed

_LEFT_OUT = "left_out_without_uamqp"


class WithoutUamqp:
    """Tests with the mark `uamqp` are deselected. With several test processes, each has the same ones."""

    def __init__(self) -> None:
        self._left_out = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left_out = [item for item in items if item.get_closest_marker("uamqp")]
        if left_out and not is_installed(UAMQP):
            self._left_out = len(left_out)
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output: dict[str, int] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_LEFT_OUT] = self._left_out

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        self._left_out = max(self._left_out, getattr(node, "workeroutput", {}).get(_LEFT_OUT, 0))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._left_out:
            terminalreporter.section(f"uamqp is not installed: {self._left_out} tests that need it are left out")
