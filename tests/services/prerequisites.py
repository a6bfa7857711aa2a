"""Programs that the Python and npm registries do not bring: Java, Maven, systemd, Chromium, Python's venv. Standard library only.

`python3 -m tests.services.prerequisites venv java maven` installs what is missing with apt-get when that is possible
(root on Debian or Ubuntu), and else names the packages.
"""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from tests.services import ServiceError, needed

_JAVA_MINIMUM = 17
_INSTALL_SECONDS = 900
_APT_LOCK = Path("/run/iothub-kafka-ingest-apt.lock")


def java() -> str:
    """Path of a Java 17 or newer, installed first if need be. Raises ServiceError."""
    needed("Java")
    # A newer Debian has a newer Java alone.
    return _ensure("Java 17 or newer", "openjdk-17-jre-headless | default-jre-headless", _find_java)


def maven() -> str:
    """Path of Apache Maven, installed first if need be. Raises ServiceError."""
    needed("Maven")
    return _ensure("Apache Maven", "maven", lambda: shutil.which("mvn"))


def venv() -> str:
    """Make sure that this Python can make virtual environments; returns its path. Raises ServiceError."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    return _ensure("Python's venv module", package, _find_venv)


def systemd_analyze() -> str:
    """Path of systemd's checker of unit files, installed first if need be. Raises ServiceError."""
    return _ensure("systemd-analyze", "systemd", lambda: shutil.which("systemd-analyze"))


def chromium() -> str:
    """Path of a Chromium, or of a browser like it, installed first if need be (400 MB). Raises ServiceError."""
    needed("Chromium")
    return _ensure("Chromium", "chromium", _find_chromium)


def compiler() -> str:
    """Path of a C compiler beside which this Python's headers are, both installed first if need be. Raises ServiceError."""
    headers = "" if _has_headers() else f" python{sys.version_info.major}.{sys.version_info.minor}-dev"
    return _ensure("A C compiler with Python's headers", f"gcc libc6-dev{headers}", _find_compiler)


def program(name: str, package: str) -> str:
    """Path of a program, whose Debian package is installed first if need be. Raises ServiceError."""
    return _ensure(name, package, lambda: find_program(name))


def find_program(name: str) -> str | None:
    """Path of a program, those for administrators included."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def unpack(package: str, folder: Path) -> None:
    """Put a Debian package's files below `folder`, without installing it or what it depends on. Raises ServiceError.

    Needs no root where apt's lists are there already.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise ServiceError(f"The package {package} is missing, and there is no apt-get to fetch it: install it.")
    print(f"Fetching the package {package}.", file=sys.stderr, flush=True)
    try:
        _run("apt-get", "-q", "download", package, folder=folder)
    except ServiceError:
        if os.geteuid() != 0:
            raise
        with _APT_LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _apt_get("update")
        _run("apt-get", "-q", "download", package, folder=folder)
    (archive,) = folder.glob("*.deb")
    _run("dpkg", "-x", str(archive), str(folder), folder=folder)
    archive.unlink()


def _find_java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    for candidate in (f"{home}/bin/java" if home else None, shutil.which("java")):
        if candidate and Path(candidate).exists() and _java_major(candidate) >= _JAVA_MINIMUM:
            return candidate
    return None


def _java_major(program: str) -> int:
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    # JAVA_TOOL_OPTIONS makes other lines precede this one.
    match = re.search(r'version "(\d+)', answer)
    return int(match[1]) if match else 0


def _find_venv() -> str | None:
    # Debian ships venv without ensurepip, so that `import venv` says nothing.
    importlib.invalidate_caches()
    return sys.executable if importlib.util.find_spec("ensurepip") else None


def _find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _find_compiler() -> str | None:
    return (shutil.which("cc") or shutil.which("gcc")) if _has_headers() else None


def _has_headers() -> bool:
    return Path(sysconfig.get_path("include"), "Python.h").exists()


def _ensure(what: str, packages: str, find: Callable[[], str | None]) -> str:
    """`packages`: names, and `|` before others to take where these are not to be had."""
    found = find()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # `apt-get update` fails at once when another one runs, so two clones take turns here.
        with _APT_LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = find()
            if found is None:
                _apt_get("update")
                _install(what, packages)
                found = find()
    if found is None:
        raise ServiceError(
            f"{what} is missing: install it (on Debian or Ubuntu: `sudo apt-get install "
            f"{packages.replace(' | ', '`, or `')}`) and try again."
        )
    return found


def _install(what: str, packages: str) -> None:
    wanted, _, others = packages.partition(" | ")
    print(f"{what} is missing: installing the package {wanted}.", file=sys.stderr, flush=True)
    try:
        _apt_get("install", "--no-install-recommends", *wanted.split())
    except ServiceError:
        if not others:
            raise
        _install(what, others)


def _apt_get(*arguments: str) -> None:
    _run("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600", *arguments)


def _run(*command: str, folder: Path | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"`{' '.join(command)}` did not end within {_INSTALL_SECONDS} s.") from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ServiceError(f"`{' '.join(command)}` failed:\n{tail}")


def main(names: list[str]) -> int:
    wanted: dict[str, Callable[[], str]] = {
        "chromium": chromium,
        "compiler": compiler,
        "java": java,
        "maven": maven,
        "systemd": systemd_analyze,
        "venv": venv,
    }
    missing = False
    for name in names:
        try:
            wanted[name]()
        except ServiceError as error:
            print(error, file=sys.stderr)
            missing = True
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
