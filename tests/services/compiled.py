"""Programs in Go and Java from sources of ours: fetched what they need, compiled, as the start of a command line.

What is built stays in the clone's cache until a source changes. Every function raises ServiceError.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.services import ServiceError, maven, needed, prerequisites
from tests.services.cache import FOLDER, locked

_BUILD_SECONDS = 900


def java_program(source: Path, pom: Path, name: str, what: str) -> tuple[str, str]:
    """Java's path, and the class path with the classes of `source` and the jar files of `pom`.

    Compiled by Eclipse's compiler, which `pom` has to name, as a JRE has none: 25 MB. `what` is for errors.
    """
    java = prerequisites.java()
    jars = sorted(str(jar) for jar in maven.jars(pom, name).glob("*.jar"))
    compiler = [java, "-cp", os.pathsep.join(jars), "org.eclipse.jdt.internal.compiler.batch.Main"]
    compiler += ["-17", "-proc:none", "-cp", os.pathsep.join(jars)]

    def compile_into(folder: Path) -> None:
        _run([*compiler, "-d", str(folder), str(source)], what)

    classes = _built(f"{name}-classes", [source, pom], compile_into)
    return java, os.pathsep.join([str(classes), *jars])


def go_program(folder: Path, name: str, what: str) -> str:
    """Path of the program that is `folder`'s, compiled by the Go of this Python environment (half a minute of CPU, once).
    `what` is for errors."""
    go = _go()

    def compile_into(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=FOLDER, prefix="go-", ignore_cleanup_errors=True) as temporary:
            environment = {
                "GOTOOLCHAIN": "local",
                # Go makes its modules read-only, which nobody can remove in the usual way.
                "GOFLAGS": "-modcacherw",
                "GOPATH": f"{temporary}/path",
                "GOCACHE": f"{temporary}/cache",
                "CGO_ENABLED": "0",
            }
            _run([str(go), "build", "-o", str(target / "program"), "."], what, folder, environment)

    return str(_built(name, [folder / "main.go", folder / "go.mod", folder / "go.sum"], compile_into) / "program")


def _go() -> Path:
    needed("Go")
    found = importlib.util.find_spec("go")
    if found is None or found.origin is None:
        raise ServiceError(
            "Go is missing from this Python environment: use `make test`, or `pip install --group test`."
        )
    return Path(found.origin).parent / "bin" / "go"


def _built(name: str, sources: Sequence[Path], build: Callable[[Path], None]) -> Path:
    """The folder that `build` filled from these sources, now or earlier; not by an earlier form of this module."""
    recipe = [Path(__file__), *sources]
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in recipe)).hexdigest()[:12]
    folder = FOLDER / f"{name}-{digest}"
    if not folder.exists():
        with locked(name):
            if not folder.exists():
                with tempfile.TemporaryDirectory(dir=FOLDER, prefix=f"{name}-build-") as temporary:
                    build(Path(temporary))
                    shutil.copytree(temporary, folder)
    return folder


def _run(
    command: Sequence[str], what: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"{what} was not built within {_BUILD_SECONDS} s; try again.") from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ServiceError(f"{what} could not be built (network or proxy?):\n{tail}")
