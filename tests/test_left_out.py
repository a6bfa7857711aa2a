"""What a run of the tests says of those that it leaves out."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.services import ROOT


def run(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Runs pytest in another environment."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:benchmark", *arguments],
        env={**os.environ, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_needs_uamqp_is_left_out_aloud_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['uamqp'] = None\n")
    done = run("-n", "1", "-k", "tokens_of", "tests/emulator/amqp/test_sas.py", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert " uamqp is not installed: 1 test that needs it is left out " in done.stdout
    assert done.stdout.splitlines()[-1].strip("= ").startswith("1 passed in "), done.stdout


def test_what_boots_a_machine_is_left_out_aloud_where_none_can_be_booted(tmp_path: Path) -> None:
    done = run("tests/systemd/test_live.py", PATH=str(tmp_path))
    assert done.returncode == 5, done.stdout
    assert re.search(r" no machine can be booted, as .*: 1 test that needs it is left out ", done.stdout), done.stdout
