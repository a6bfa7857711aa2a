"""The event processors of tests/interop in other languages, made ready to run: fetched, compiled, as command lines.

Every function raises ServiceError, and returns the start of a command line. What is built stays in the clone's cache.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.services import ROOT, ServiceError, javascript, maven, prerequisites
from tests.services.cache import FOLDER, locked

_SOURCES = ROOT / "tests" / "interop"
_BUILD_SECONDS = 900


def javascript_processor() -> list[str]:
    """On @azure/event-hubs, run by Node."""
    return [*javascript.node_command(), str(javascript.ensure() / "processor.mjs")]


def java_processor() -> list[str]:
    """On azure-messaging-eventhubs, compiled by Eclipse's compiler (a JRE has none): 25 MB."""
    source, pom = _SOURCES / "java" / "Processor.java", _SOURCES / "java" / "pom.xml"
    java = prerequisites.java()
    jars = sorted(str(jar) for jar in maven.jars(pom, "java-processor").glob("*.jar"))
    compiler = [java, "-cp", os.pathsep.join(jars), "org.eclipse.jdt.internal.compiler.batch.Main"]
    compiler += ["-17", "-proc:none", "-cp", os.pathsep.join(jars)]

    def compile_into(folder: Path) -> None:
        _run([*compiler, "-d", str(folder), str(source)], "Java's event processor")

    classes = _built("java-processor-classes", [source, pom], compile_into)
    # A short life: no time for the second compiler, and no memory for many collectors.
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m"]
    return [java, *quick, "-cp", os.pathsep.join([str(classes), *jars]), "Processor"]


def go_processor() -> list[str]:
    """On azeventhubs, compiled by the Go of this Python environment (half a minute of CPU, once)."""
    folder = _SOURCES / "go"
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
            command = [str(go), "build", "-o", str(target / "processor"), "."]
            _run(command, "Go's event processor", folder, environment)

    built = _built("go-processor", [folder / "main.go", folder / "go.mod", folder / "go.sum"], compile_into)
    return [str(built / "processor")]


def _go() -> Path:
    found = importlib.util.find_spec("go")
    if found is None or found.origin is None:
        raise ServiceError(
            "Go is missing from this Python environment: use `make test`, or `pip install --group test`."
        )
    return Path(found.origin).parent / "bin" / "go"


def _built(name: str, sources: Sequence[Path], build: Callable[[Path], None]) -> Path:
    """The folder that `build` filled from these sources, now or earlier."""
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:12]
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
