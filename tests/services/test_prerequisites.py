"""tests.services.prerequisites: what is found, and what is said when nothing can be installed."""

import sys
from pathlib import Path

import pytest

from tests.services import WITHOUT, ServiceError, needed, prerequisites


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH, so that there is no apt-get either."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv(WITHOUT, raising=False)  # nothing is started here
    return tmp_path


def _java(folder: Path, version: str) -> Path:
    program = folder / "java"
    program.write_text(
        f"#!/bin/sh\necho 'Picked up JAVA_TOOL_OPTIONS: -Dx' >&2\necho 'openjdk version \"{version}\"' >&2\n"
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_a_java_that_is_new_enough_is_taken(programs: Path, version: str) -> None:
    program = _java(programs, version)
    assert prerequisites.java() == str(program)


def test_java_home_comes_before_the_path(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _java(programs, "21")
    (tmp_path / "home" / "bin").mkdir(parents=True)
    chosen = _java(tmp_path / "home" / "bin", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert prerequisites.java() == str(chosen)


@pytest.mark.parametrize("version", [None, "11.0.2", "1.8.0_392"])
def test_without_a_usable_java_the_message_names_the_package(programs: Path, version: str | None) -> None:
    if version:
        _java(programs, version)
    with pytest.raises(ServiceError, match=r"^Java 17 or newer is missing: .*apt-get install openjdk-17-jre-headless"):
        prerequisites.java()


def test_what_this_debian_does_not_have_is_replaced(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "_APT_LOCK", programs / "lock")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (programs / "installed").mkdir()
    newer = _java(programs / "installed", "21")
    apt = programs / "apt-get"
    apt.write_text(
        f'#!/bin/sh\ncase "$*" in *openjdk-17*) exit 100;; *default-jre*) /bin/ln -s {newer} {programs}/java;; esac\n'
    )
    apt.chmod(0o755)
    assert prerequisites.java() == f"{programs}/java"


def test_the_command_names_every_missing_program_and_fails(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prerequisites.main(["venv", "java", "maven"]) == 1
    said = capsys.readouterr().err
    assert "apt-get install openjdk-17-jre-headless" in said
    assert "apt-get install maven" in said
    _java(programs, "17")
    assert prerequisites.main(["venv", "java"]) == 0


def test_without_a_compiler_the_message_names_the_packages(programs: Path) -> None:
    with pytest.raises(
        ServiceError, match=r"^A C compiler with Python's headers is missing: .*apt-get install gcc libc6-dev"
    ):
        prerequisites.compiler()


def test_this_python_can_make_environments() -> None:
    assert prerequisites.venv() == sys.executable


def test_what_make_unit_leaves_out_is_refused_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WITHOUT, "1")
    with pytest.raises(ServiceError, match=r"^Java is needed by a test that is not marked `services`"):
        prerequisites.java()
    monkeypatch.delenv(WITHOUT)
    needed("Java")
