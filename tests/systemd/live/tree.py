"""What a machine is made of: a bare Debian 12, and a medium with two versions of ingest and every package that it needs."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

from ingest import __version__
from tests.services import ROOT, ServiceError, needed
from tests.services.cache import FOLDER, locked

_RELEASE = "bookworm"
_PYTHON = "3.11"
"""The release's own."""
_PACKAGES = ("systemd-sysv", "python3-venv")
"""What systemd/README.md asks for, besides the smallest Debian; a wheel needs no git."""
_CHECKOUT = ("ingest", "setup.py", "MANIFEST.in", "pyproject.toml", "README.md", "LICENSE")
_BUILD_SECONDS = 1200


class Medium(NamedTuple):
    """A folder as a technician would carry it to a machine without network."""

    folder: Path
    """`systemd/` with the installer, and `wheels/`."""
    first: str
    """The name of the wheel to begin with, in `wheels/`."""
    second: str
    """The name of the wheel of a later version."""


def debian() -> Path:
    """A tree with a bare Debian 12, fetched first if need be; to be copied, not to be booted. Raises ServiceError."""
    needed("Debian")
    digest = hashlib.sha256(" ".join((_RELEASE, *_PACKAGES)).encode()).hexdigest()[:8]
    folder = FOLDER / f"debian-{_RELEASE}-{digest}"
    with locked("debian"):
        if not folder.exists():
            print(f"Fetching a bare Debian ({_RELEASE}), once.", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(dir=FOLDER, prefix="debian-", ignore_cleanup_errors=True) as temporary:
                tree = Path(temporary, "tree")
                include = f"--include={','.join(_PACKAGES)}"
                _run("debootstrap", "--variant=minbase", include, _RELEASE, str(tree))
                _trim(tree)
                tree.rename(folder)
    return folder


def _trim(tree: Path) -> None:
    """Makes the tree one for many machines, each with an id of its own and a journal that outlives a boot."""
    shutil.rmtree(tree / "var/cache/apt/archives")
    shutil.rmtree(tree / "var/lib/apt/lists")
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/hostname").unlink(missing_ok=True)
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n")  # as Debian's installer does
    (tree / "var/log/journal").mkdir(exist_ok=True)


def copy(tree: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", tree, to], check=True, timeout=300)


def medium(folder: Path, wheel: Path | None = None) -> Medium:
    """Fill the folder from this checkout. `wheel` is the first version, instead of one without the compiled core, which can be
    built on every machine. Raises ServiceError."""
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    shutil.copytree(ROOT / "systemd", folder / "systemd")
    first = wheel or _build(folder / "first", __version__)
    second = _build(folder / "second", f"{__version__}.post1")
    for package in (first, second, *_dependencies().glob("*.whl")):
        shutil.copy(package, wheels)
    return Medium(folder, first.name, second.name)


def _build(folder: Path, version: str) -> Path:
    """A wheel of this checkout, as of this version."""
    folder.mkdir()
    for name in _CHECKOUT:
        subprocess.run(["cp", "-R", ROOT / name, folder], check=True)
    for built in folder.rglob("*.so"):
        built.unlink()
    init = folder / "ingest" / "__init__.py"
    init.write_text(re.sub(r'^__version__ = ".*"', f'__version__ = "{version}"', init.read_text(), flags=re.M))
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder / "dist"), str(folder), CC="false")
    (made,) = (folder / "dist").glob("*.whl")
    return made


def _dependencies() -> Path:
    """A folder with the wheels of all that ingest depends on, for Debian's Python."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    digest = hashlib.sha256("\n".join(declared).encode()).hexdigest()[:8]
    folder = FOLDER / f"wheels-{_RELEASE}-{digest}"
    with locked("wheels"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=FOLDER, prefix="wheels-", ignore_cleanup_errors=True) as temporary:
                options = ("--only-binary=:all:", "--python-version", _PYTHON, "--dest", f"{temporary}/wheels")
                _pip("download", *options, *declared)
                Path(temporary, "wheels").rename(folder)
    return folder


def _pip(*arguments: str, **environ: str) -> None:
    _run(sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *arguments, **environ)


def _run(*command: str, **environ: str) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(
        command,
        env={**os.environ, "PATH": path, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ServiceError(f"`{' '.join(command)}` failed:\n{tail}")
