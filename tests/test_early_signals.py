"""Signals before a command is ready for them."""

import signal
import subprocess
import sys

import pytest

from ingest import early_signals
from ingest.errors import EXIT_CONFIG, EXIT_INTERRUPTED, EXIT_OK

PATIENCE = 60.0
PROGRAM = """
import os, signal, sys
from ingest import __main__ as program

class Strike:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Strike())
sys.argv[1:] = {arguments}
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
sys.exit(program.main())
"""


def struck(number: signal.Signals, module: str, *arguments: str) -> tuple[int, str]:
    """Exit code and stderr of a command that gets this signal as it begins to import this module."""
    program = PROGRAM.format(module=module, number=int(number), arguments=list(arguments))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", ["ingest.cli.main", "ingest.config"])
def test_a_service_that_is_stopped_while_it_loads_ends_well(number: signal.Signals, module: str) -> None:
    assert struck(number, module, "run", "-c", "no-such-file.toml") == (EXIT_OK, "")


def test_a_reload_does_not_end_a_service_that_loads() -> None:
    code, words = struck(signal.SIGHUP, "ingest.cli.main", "source", "-c", "no-such-file.toml")
    assert code == EXIT_CONFIG
    assert "no-such-file.toml" in words


@pytest.mark.parametrize("module", ["ingest.cli.main", "ingest.config"])
def test_ctrl_c_ends_any_command_without_a_traceback(module: str) -> None:
    assert struck(signal.SIGINT, module, "topics", "create", "-c", "no-such-file.toml") == (EXIT_INTERRUPTED, "")


def test_a_command_that_is_over_may_be_interrupted_while_python_winds_up() -> None:
    program = PROGRAM.format(module="", number=0, arguments=["print-config", "--example"]).replace(
        "sys.exit(program.main())",
        "import atexit\natexit.register(os.kill, os.getpid(), signal.SIGINT)\nsys.exit(program.main())",
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (EXIT_INTERRUPTED, "")


def test_a_word_further_on_does_not_make_a_command_a_service() -> None:
    code, _ = struck(signal.SIGTERM, "ingest.cli.main", "discover", "az", "run")
    assert code == -signal.SIGTERM


def test_a_reload_is_remembered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_signals, "_reloads", [])
    early_signals._remember(signal.SIGHUP, None)
    assert [early_signals.take_reload() for _ in range(2)] == [True, False]
