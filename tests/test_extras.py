"""What a node without the packages of the extras can do, and what it says about the rest."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ingest import extras
from ingest.cli.main import main
from ingest.config import Command, load
from ingest.errors import EXIT_CONFIG, EXIT_CRASH, EXIT_OK, ConfigError
from tests.config.samples import EVENT_HUB, IOT_HUB, written
from tests.services import ROOT
from tests.test_house import imported, modules

WITHOUT = """
import sys

class Away:
    def find_spec(self, name, path=None, target=None):
        if any(f"{{name}}.".startswith(f"{{one}}.") for one in {away!r}):
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
LOADED = """
import sys
from ingest.cli.main import main
status = main(sys.argv[1:])
import ingest.service.run, ingest.source.preload, ingest.sink.preload
print(status, [name for name in {names} if name in sys.modules], file=sys.stderr)
"""
"""What the supervisor imports, and the fork server for its children."""
OF_UAMQP = ("ingest.hub.service_client", "ingest.hub.network.uamqp_auth", "ingest.hub.auth.for_uamqp")
"""Imported for sink.transport = "sdk" alone."""
OF_BLOBS = ("ingest.source.checkpoints.blob", "ingest.cluster.ownership_blobs", "ingest.cluster.blob_group")
OTHERS = (*OF_BLOBS, "ingest.emulator", "ingest.demo", "ingest.__main__", *OF_UAMQP)
EXTRAS = {
    "emulator": ({"aiohttp", "cryptography"}, ("ingest.emulator",)),
    "uamqp": ({"azure-iot-hub", "uamqp", "six"}, OF_UAMQP),
    "entra": ({"azure-identity"}, ("ingest.hub.auth.entra",)),
}
"""What each brings, once more, so that one who adds to it thinks of what must do without; and which modules may import it."""
AWAY = {"aiohttp", "cryptography", "uamqp", "azure.iot", "azure.identity", "msal", "rich"}


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    return written(tmp_path)


def program(text: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_node_needs_none_of_it(configuration: Path) -> None:
    """A command where everything but emulator and demo has been imported, and the packages of the extras and rich are not."""
    work = NODE.format(others=OTHERS)
    checked = program(WITHOUT.format(away=AWAY, work=work), "check-config", "-c", configuration)
    assert (checked.returncode, checked.stderr) == (EXIT_OK, "")


def test_a_node_loads_none_of_it_where_it_is_installed(configuration: Path) -> None:
    """An import that does without what is not there, which the test above lets through, costs every process its memory."""
    names = sorted({*AWAY, "azure"})
    checked = program(LOADED.format(names=names), "check-config", "-c", configuration)
    assert checked.stderr == f"{EXIT_OK} []\n"


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


def test_only_what_needs_an_extra_imports_what_it_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    brought = {
        extra: {Requirement(each).name for each in required}
        for extra, required in project["optional-dependencies"].items()
    }
    assert brought == {extra: packages for extra, (packages, _) in EXTRAS.items()}
    assert brought["emulator"] == set(extras.EMULATOR)
    always = {Requirement(each).name for each in project["dependencies"]}
    for packages, importers in EXTRAS.values():
        assert not always & packages
        names = {each.replace("-", ".") for each in packages}
        for dotted, path in modules():
            if not any(f"ingest.{dotted}.".startswith(f"{importer}.") for importer in importers):
                for line, name in imported(path, at_import_time_only=importers == OF_UAMQP):
                    assert not any(f"{name}.".startswith(f"{one}.") for one in names), f"{dotted}:{line} imports {name}"


def test_uamqp_ends_where_its_extra_does() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for each in project["optional-dependencies"][extras.UAMQP]:
        marker = Requirement(each).marker
        assert marker is not None
        major, minor = extras.UAMQP_ENDS
        assert marker.evaluate({"python_version": f"{major}.{minor - 1}"})
        assert not marker.evaluate({"python_version": f"{major}.{minor}"})


@pytest.mark.parametrize(
    ("python", "said"), [((3, 13), "not installed: "), ((3, 14), "not exist for Python 3.14, only up to 3.13")]
)
def test_what_is_said_without_uamqp(python: tuple[int, int], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, extras.UAMQP, None)
    reason = extras.without_uamqp(python)
    assert reason is not None
    assert said in reason
    assert ("-m pip install 'iothub-kafka-ingest[uamqp]'" in reason) == (python < extras.UAMQP_ENDS)


@pytest.mark.parametrize("command", ["run", "sink", "check-config"])
def test_a_transport_that_is_not_installed_is_refused_before_anything_starts(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, extras.UAMQP, None)
    overrides = ['sink.transport="sdk"', 'checkpoints.store="file"']
    environ = {"INGEST__HUB__IOT_HUB_CONNECTION_STRING": IOT_HUB, "INGEST__HUB__EVENT_HUB_CONNECTION_STRING": EVENT_HUB}
    with pytest.raises(ConfigError) as refused:
        load(None, environ=environ, overrides=overrides, for_command=command)
    [problem] = refused.value.problems
    assert (problem.key, problem.value) == ("sink.transport", '"sdk"')
    assert problem.fix.startswith("needs uamqp, which")
    assert problem.fix.endswith('; or write "fast", or leave this key out')


@pytest.mark.parametrize("command", ["source", "topics", "checkpoints", "print-config"])
def test_who_sends_no_commands_needs_no_transport_for_them(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, extras.UAMQP, None)
    overrides = ['sink.transport="sdk"', 'checkpoints.store="file"']
    environ = {"INGEST__HUB__IOT_HUB_CONNECTION_STRING": IOT_HUB, "INGEST__HUB__EVENT_HUB_CONNECTION_STRING": EVENT_HUB}
    load(None, environ=environ, overrides=overrides, for_command=command)
