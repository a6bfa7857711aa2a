"""The source distribution, the wheel that is built from it, and that wheel in an environment of what it declares alone."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from ingest import __version__
from ingest.errors import EXIT_CONFIG
from tests.config.samples import IOT_HUB
from tests.services import ROOT

pytestmark = pytest.mark.services

NAME = "iothub_kafka_ingest"
BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, 'build_' + sys.argv[1])(sys.argv[2])"
LISTED = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
    "setup.py",
)
PAGES = {
    "docs": (".md",),
    "grafana": (".md", ".json", ".yaml"),
    "systemd": tuple(f".{kind}" for kind in ("md", "sh", "toml", "service", "slice", "target", "timer")),
}
GENERATED = ("PKG-INFO", "setup.cfg")


class Built(NamedTuple):
    source: Path
    wheel: Path


def build(what: str, folder: Path, tools: Path, into: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", BUILD, what, into],
        cwd=folder,
        # No compiler: tests/systemd/test_install.py compiles the core, from the same files.
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tools), "CC": "false"},
        capture_output=True,
        timeout=120,
        check=True,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Out of a folder in which people have worked."""
    folder = tmp_path_factory.mktemp("distribution")
    tools, checkout, dist = folder / "tools", folder / "checkout", folder / "dist"
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", tools, *requires], timeout=300, check=True
    )
    checkout.mkdir()
    for name in (*LISTED, "ingest", "systemd", "grafana", "docs", "tests/cli/test_main.py"):
        if (ROOT / name).exists():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-R", ROOT / name, checkout / name], check=True)
    for left in (
        "ingest.toml",
        "secret.key",
        "ingest_old/__init__.py",
        "systemd/event-hub",
        "ingest/source/core/lean.c",
    ):
        (checkout / left).parent.mkdir(exist_ok=True)
        (checkout / left).write_text("SharedAccessKey=…")
    build("sdist", checkout, tools, dist)
    source = dist / f"{NAME}-{__version__}.tar.gz"
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    # Not by Python: Debian 12's 3.11.2 does not know the filter that later ones ask for.
    subprocess.run(["tar", "-xzf", source, "-C", unpacked], check=True)
    build("wheel", unpacked / f"{NAME}-{__version__}", tools, dist)
    return Built(source, dist / f"{NAME}-{__version__}-py3-none-any.whl")


def test_the_source_has_what_is_listed_and_nothing_else(built: Built) -> None:
    with tarfile.open(built.source) as archive:
        paths = [PurePosixPath(*PurePosixPath(one.name).parts[1:]) for one in archive.getmembers() if one.isfile()]
    found = {str(path) for path in paths if path.parts[0] != f"{NAME}.egg-info"}
    expected = {*LISTED, *GENERATED}
    for path in (ROOT / "ingest").rglob("*"):
        if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".typed", ".html", ".css", ".js"):
            expected.add(str(path.relative_to(ROOT)))
    for folder, kinds in PAGES.items():
        expected |= {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.suffix in kinds}
    assert found == expected - {"grafana/alerts_test.yaml"}


class Bare:
    """A virtual environment with the wheel and, as links to the tests' own, the packages that it declares; no others."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self._folder = folder
        self._wheel = wheel
        venv.create(folder)
        [self._packages] = folder.glob("lib/python*/site-packages")
        self._python = folder / "bin" / "python"
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", self._python, "install", "--quiet", "--no-deps", wheel],
            timeout=120,
            check=True,
        )

    def add(self, extra: str = "") -> None:
        """The packages that the wheel declares, or those of one extra, with all that they declare."""
        [own] = Distribution.discover(name=NAME, path=[str(self._packages)])
        for needed in closure(own, {extra}):
            for file in needed.files or ():
                link = self._packages / file
                if ".." not in file.parts and not link.exists():
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(Path(str(needed.locate_file(file))).resolve())

    def run(self, *arguments: str, program: str = "ingest", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._folder / "bin" / program, *arguments],
            cwd=self._folder,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def closure(root: Distribution, extras: set[str]) -> Iterator[Distribution]:
    """All that a distribution needs with these extras, each once."""
    seen: set[str] = set()
    waiting = [(root, extras)]
    while waiting:
        one, asked = waiting.pop()
        for text in one.requires or ():
            needed = Requirement(text)
            if needed.name not in seen and (
                needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in asked | {""})
            ):
                seen.add(needed.name)
                found = distribution(needed.name)
                yield found
                waiting.append((found, needed.extras))


EVERY_PROCESS = """
import importlib, sys
import ingest.cli.main
from ingest.config import load
from ingest.service.roles import all_directions

config = load(None, environ={}, for_command="print-config")
for direction in all_directions().values():
    entries = *(role.entry for role in direction.roles), direction.trial, direction.discovery, direction.look_again
    for module in (*direction.preloads(config), *(entry.partition(":")[0] for entry in entries if entry)):
        importlib.import_module(module)
print(len(sys.modules), *sorted(name for name in sys.modules if f"{name}.".startswith(("aiohttp.", "azure.identity.", "uamqp."))))
"""


def test_the_wheel_runs_with_what_it_declares_alone(built: Built, tmp_path: Path) -> None:
    bare = Bare(tmp_path / "venv", built.wheel)
    bare.add()
    version = bare.run("--version", "-v")
    assert version.stdout.startswith(f"ingest {__version__}\n"), version.stderr
    assert "Python" in version.stdout
    refused = bare.run("demo", "--events", "200")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "iothub-kafka-ingest[emulator]" in refused.stderr
    loaded, *of_extras = bare.run("-c", EVERY_PROCESS, program="python").stdout.split()
    assert int(loaded) > 500
    assert of_extras == []
    transport = bare.run("sink", "--set", "sink.transport=sdk", INGEST__HUB__IOT_HUB_CONNECTION_STRING=IOT_HUB)
    assert transport.returncode == EXIT_CONFIG
    assert 'config: sink.transport = "sdk": needs uamqp, which ' in transport.stderr
    bare.add("emulator")
    shown = bare.run("demo", "--events", "200", "--commands", "5", "--partitions", "1", "--json")
    assert shown.returncode == 0, shown.stderr
    summary = json.loads(shown.stdout)
    assert (summary["events_in_kafka"], summary["commands_delivered"]) == (200, 5)
