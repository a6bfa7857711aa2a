"""What a node without the emulator's packages can do, and what it says about the rest."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ingest import extras
from ingest.cli.main import main
from ingest.errors import EXIT_CONFIG, EXIT_CRASH, EXIT_OK
from tests.config.samples import COMPLETE
from tests.services import ROOT
from tests.test_house import imported, modules, part

WITHOUT = """
import sys

class Away:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {away!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Away())
{work}
"""
NODE = """
import importlib, pkgutil
import ingest
# The client for blobs brings cryptography itself.
for module in pkgutil.walk_packages(ingest.__path__, "ingest."):
    if not module.name.startswith({others!r}):
        importlib.import_module(module.name)
from ingest.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
OTHERS = ("ingest.source.checkpoints.blob", "ingest.emulator", "ingest.demo", "ingest.__main__")
ITS_PACKAGES = {"aiohttp", "cryptography"}
"""Once more, so that one who adds to the extra thinks of what must do without."""


def on_a_node(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command where everything but emulator and demo has been imported, and the extra's packages and rich are not."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT.format(away={*extras.EMULATOR, "rich", "msal"}, work=NODE.format(others=OTHERS)),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_node_needs_none_of_it(tmp_path: Path) -> None:
    configuration = tmp_path / "ingest.toml"
    configuration.write_text(COMPLETE)
    configuration.chmod(0o600)
    checked = on_a_node("check-config", "-c", configuration)
    assert (checked.returncode, checked.stderr) == (EXIT_OK, "")


@pytest.mark.parametrize(
    "arguments",
    [["emulator"], ["emulator", "--rate", "5"], ["emulator", "--help"], ["demo"], ["demo", "--events", "5", "--json"]],
)
def test_who_wants_it_is_told_what_to_install(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in extras.EMULATOR:
        monkeypatch.setitem(sys.modules, name, None)  # which is how Python is told that there is none
    assert main(arguments) == EXIT_CRASH
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert f"`ingest {arguments[0]}` needs aiohttp and cryptography" in error
    assert f"{sys.executable} -m pip install 'iothub-kafka-ingest[emulator]'" in error


def test_a_file_that_is_called_emulator_is_no_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in extras.EMULATOR:
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["check-config", "-c", "emulator"]) == EXIT_CONFIG
    assert "pip install" not in capsys.readouterr().err


def test_only_the_emulator_imports_what_its_extra_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    brought = project["optional-dependencies"]["emulator"]
    assert {re.split("[<>=]", requirement)[0] for requirement in brought} == set(extras.EMULATOR) == ITS_PACKAGES
    assert not [each for each in project["dependencies"] if re.split("[<>=]", each)[0] in ITS_PACKAGES]
    for dotted, path in modules():
        if part(dotted, 0) != "emulator":
            for line, name in imported(path, at_import_time_only=False):
                assert name.partition(".")[0] not in ITS_PACKAGES, f"{dotted}:{line} imports {name}"
