"""The installer, into folders of the test's own. One test lets it make a whole environment; the others find one made."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ingest import __version__
from tests.services import ROOT
from tests.systemd.test_units import UNITS

CHECKOUT = ("ingest", "systemd", "setup.py", "MANIFEST.in", "pyproject.toml", "README.md", "LICENSE")
SCRIPT = ROOT / "systemd" / "install.sh"
SYSTEM = "usr/local/lib/systemd/system"


class Machine:
    """A root folder, and the installer of a checkout run on it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        for name in CHECKOUT:
            subprocess.run(["cp", "-R", ROOT / name, self.checkout], check=True)

    def install(self, *arguments: str, expect: int = 0) -> str:
        """What it said, on both streams."""
        command = [
            "sh",
            str(self.checkout / "systemd/install.sh"),
            "--prefix",
            str(self.root),
            "--python",
            sys.executable,
            *arguments,
        ]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False
        )
        assert done.returncode == expect, done.stdout
        return done.stdout

    def pretend_environment(self) -> Path:
        """The environment of this checkout is there already."""
        [line] = [line for line in self.install("--dry-run").splitlines() if line.startswith("Making the virtual")]
        home = Path(line.split()[4])
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "ingest").write_text("#!/bin/sh\necho ingest\n")
        (home / ".complete").touch()
        return home

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Path below the root → mode and content, links as their target; without the environments."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if not name.startswith("opt/ingest/versions/"):
                content = (
                    os.fsencode(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
                )
                found[name] = (path.lstat().st_mode, content)
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_dry_run_tells_and_does_nothing(machine: Machine) -> None:
    said = machine.install("--dry-run", "--instance", "plant1")
    assert f"would run: {sys.executable} -m venv {machine.root}/opt/ingest/versions/" in said
    for unit in UNITS:
        assert f"would write: {machine.root}/{SYSTEM}/{unit}" in said
    assert f"would run: install -d -m 0700 {machine.root}/etc/ingest/plant1" in said
    assert "would write: " in said
    assert not machine.root.exists()


def test_it_installs_the_whole_program(machine: Machine) -> None:
    """With pip and all; about 15 s."""
    machine.install()
    program = machine.root / "usr/local/bin/ingest"
    example = machine.root / "etc/ingest/example.toml"
    shown = subprocess.run([program, "print-config", "--effective", "-c", example], capture_output=True, text=True)
    assert "event-hub cannot be read" in shown.stderr, "it runs, and has read the file"
    assert (machine.root / "opt/ingest/current/share/doc/ingest/README.md").is_file()
    assert machine.install() == ""
    with (machine.checkout / "ingest/__init__.py").open("a") as changed:
        changed.write("# another version\n")
    assert "-m venv" in machine.install("--dry-run")


def test_units_name_the_places_where_things_are(machine: Machine) -> None:
    home = machine.pretend_environment()
    machine.install()
    assert (machine.root / "opt/ingest/current").readlink() == Path("versions") / home.name
    for unit in UNITS:
        text = (machine.root / SYSTEM / unit).read_text()
        assert text == (machine.checkout / "systemd" / unit).read_text().replace(
            "/opt/ingest", f"{machine.root}/opt/ingest"
        ).replace("/etc/ingest", f"{machine.root}/etc/ingest")


def test_an_instance_gets_a_file_for_everyone_and_a_folder_for_root_alone(machine: Machine) -> None:
    machine.pretend_environment()
    machine.install("--instance", "plant1", "--instance", "plant-2")
    for name in ("plant1", "plant-2"):
        assert stat.S_IMODE((machine.root / f"etc/ingest/{name}").stat().st_mode) == 0o700
        assert stat.S_IMODE((machine.root / f"etc/ingest/{name}.toml").stat().st_mode) == 0o644


def test_a_second_run_changes_nothing_and_says_nothing(machine: Machine) -> None:
    machine.pretend_environment()
    machine.install("--instance", "plant1")
    before = machine.files()
    assert machine.install("--instance", "plant1") == ""
    assert machine.files() == before


def test_an_edited_configuration_is_never_overwritten(machine: Machine) -> None:
    machine.pretend_environment()
    machine.install("--instance", "plant1")
    (machine.root / "etc/ingest/plant1.toml").write_text("# mine\n")
    secret = machine.root / "etc/ingest/plant1/event-hub"
    secret.write_text("Endpoint=…")
    machine.install("--instance", "plant1")
    assert (machine.root / "etc/ingest/plant1.toml").read_text() == "# mine\n"
    assert secret.read_text() == "Endpoint=…"


def test_an_upgrade_keeps_the_version_before_and_says_how_to_go_back(machine: Machine) -> None:
    machine.pretend_environment()
    old = machine.root / "opt/ingest/versions/0.0.9-12345678"
    old.mkdir()
    (machine.root / "opt/ingest/current").symlink_to("versions/0.0.9-12345678")
    said = machine.install()
    assert "What runs still is 0.0.9-12345678" in said
    [back] = [line for line in said.splitlines() if line.startswith("To go back: ")]
    subprocess.run(back.removeprefix("To go back: ").removesuffix(", and restart."), shell=True, check=True)
    assert (machine.root / "opt/ingest/current").resolve() == old


def test_the_folder_is_named_after_the_version(machine: Machine) -> None:
    assert machine.pretend_environment().name.startswith(f"{__version__}-")


def test_an_extra_is_installed_and_kept(machine: Machine) -> None:
    asked = machine.install("--dry-run", "--extra", "uamqp", "--extra", "emulator")
    [installing] = [line for line in asked.splitlines() if " pip install " in line]
    assert installing.endswith("[uamqp,emulator]")
    running = machine.root / "opt/ingest/versions/0.0.9-12345678"
    running.mkdir(parents=True)
    (running / ".extras").write_text("uamqp\n")
    (machine.root / "opt/ingest/current").symlink_to("versions/0.0.9-12345678")
    [upgrading] = [line for line in machine.install("--dry-run").splitlines() if " pip install " in line]
    assert upgrading.endswith("[uamqp]")


def test_a_half_made_environment_is_made_again(machine: Machine) -> None:
    home = machine.pretend_environment()
    (home / ".complete").unlink()
    assert f"would run: rm -rf {home}" in machine.install("--dry-run")


def test_uninstalling_leaves_what_is_the_users(machine: Machine) -> None:
    machine.pretend_environment()
    machine.install("--instance", "plant1")
    assert "Left for you to remove" in machine.install("--uninstall")
    files = [name for name in machine.files() if (machine.root / name).is_file()]
    assert files == ["etc/ingest/plant1.toml"]
    assert (machine.root / "etc/ingest/plant1").is_dir()
    machine.install("--uninstall")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--instances"], "unknown argument --instances"),
        (["--instance"], "--instance needs a value"),
        (["--instance", "a/b"], "--instance a/b: give a name"),
        (["--instance", "example"], "--instance example: give a name"),
        (["--extra", "a b"], "--extra a b: give the name of an extra"),
        (["--prefix", "relative"], "--prefix relative: give an absolute path"),
        (["--prefix", "/a b"], "--prefix /a b: only letters"),
        (["--wheel", "/nowhere.whl"], "--wheel /nowhere.whl: there is no such file"),
    ],
)
def test_wrong_use_is_explained(machine: Machine, arguments: list[str], said: str) -> None:
    assert said in machine.install("--dry-run", *arguments, expect=2)
    assert not machine.root.exists()


def test_an_interpreter_that_will_not_do_is_refused(machine: Machine) -> None:
    said = machine.install("--python", "false", expect=1)
    assert "this needs Python 3.11, 3.12, 3.13 or 3.14, and false is not" in said


def test_help_names_every_option() -> None:
    shown = subprocess.run(["sh", SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--instance", "--extra", "--wheel", "--python", "--prefix", "--dry-run", "--uninstall"):
        assert option in shown
