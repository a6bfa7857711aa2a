"""Apicurio Registry, a schema registry that Confluent's clients can use, in memory, on a free port."""

import json
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services import ServiceError, maven, prerequisites
from tests.services.cache import FOLDER, locked
from tests.services.guard import Guard
from tests.services.ports import ReservedPort
from tests.services.process import ServiceProcess

_POM = Path(__file__).with_name("registry.xml")
_START_SECONDS = 90
_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def ensure() -> Path:
    """The folder with the registry, downloaded first if need be (142 MB). Raises ServiceError."""
    archives = maven.jars(_POM, "registry")
    folder = FOLDER / f"{archives.name}-unpacked"
    if not folder.exists():
        with locked("registry"):
            if not folder.exists():
                with tempfile.TemporaryDirectory(dir=FOLDER, prefix="registry-") as temporary:
                    unpacked = Path(temporary, "unpacked")
                    with zipfile.ZipFile(next(archives.glob("*.zip"))) as archive:
                        archive.extractall(unpacked)
                    unpacked.rename(folder)
    return folder


class SchemaRegistry:
    """One registry on 127.0.0.1. Use as a `with` block."""

    def __init__(self) -> None:
        self._port = ReservedPort()
        self._guard: Guard | None = None
        self._process: ServiceProcess | None = None

    @property
    def url(self) -> str:
        """Of the interface that is Confluent's."""
        return f"http://{self._port.address}/apis/ccompat/v7"

    def start(self) -> None:
        """Start it and return when it answers. Raises ServiceError."""
        runner = next(ensure().glob("*-runner.jar"), None)
        if runner is None:
            raise ServiceError(f"There is no registry in {ensure()}: remove that folder, and try again.")
        self._guard = Guard("registry")
        settings = ["-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self._port.number}"]
        command = [prerequisites.java(), *_JVM, *settings, "-jar", str(runner)]
        self._process = ServiceProcess("registry", command, self._guard)
        self._process.start()
        self._process.wait_until(self._answers, _START_SECONDS)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=10) as answer:
                return isinstance(json.load(answer), list)
        except urllib.error.HTTPError as refused:
            refused.close()
            return False
        except (OSError, ValueError):
            return False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.join(30)
        if self._guard is not None:
            self._guard.close()
        self._port.close()
