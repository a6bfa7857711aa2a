"""Kafka's own Connect worker, with a stand-in for the old connector: the classes beside this file say what it does instead."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.services import ServiceError, compiled
from tests.services.guard import Guard
from tests.services.ports import ReservedPort
from tests.services.process import ServiceProcess

STARTED_SECONDS: Final = 90.0
STOPPED_SECONDS: Final = 60.0
_JVM: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN")
_HERE: Final = Path(__file__).parent
_MAIN: Final = "org.apache.kafka.connect.cli."


def classes() -> tuple[str, str]:
    """Java's path, and the class path of the worker, fetched and compiled first if need be. Raises ServiceError."""
    paths = [str(_HERE)]
    for name in ("IotHubSourceConnector", "IotHubSinkConnector"):
        java, path = compiled.java_program(
            _HERE / f"{name}.java", _HERE / "pom.xml", "connect-worker", "the stand-in for the old connector"
        )
        paths.append(path)
    return java, os.pathsep.join(paths)


class OldWorker:
    """`connect-standalone.sh` or `connect-distributed.sh`. Use as a `with` block."""

    def __init__(self) -> None:
        self._port = ReservedPort()
        self._guard = Guard("connect")
        self._process: ServiceProcess | None = None

    @property
    def settings(self) -> Mapping[str, str]:
        """What the worker's file needs here besides: a port of its own, and plugins by their manifests, as that is quick."""
        return {"listeners": f"http://{self._port.address}", "plugin.discovery": "service_load"}

    def start_standalone(self, files: Sequence[Path]) -> None:
        """`files`: the worker's, then the connectors'."""
        self._start("ConnectStandalone", files)

    def start_distributed(self, worker: Path, connectors: Sequence[Path]) -> None:
        """`connectors`: files with what the REST API takes. Returns when they are created."""
        process = self._start("ConnectDistributed", [worker])
        for file in connectors:
            process.wait_until(partial(self._created, json.loads(file.read_bytes())), STARTED_SECONDS)

    def _start(self, main: str, files: Sequence[Path]) -> ServiceProcess:
        java, path = classes()
        self._process = ServiceProcess(main, [java, *_JVM, "-cp", path, _MAIN + main, *map(str, files)], self._guard)
        self._process.start()
        return self._process

    def _created(self, connector: Mapping[str, Any]) -> bool:
        url = f"http://{self._port.address}/connectors/{connector['name']}/config"
        body = json.dumps(connector["config"]).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return "name" in json.load(answer)
        except urllib.error.HTTPError as refused:
            # While the worker starts and joins its group it answers 404, 409 or 5xx.
            with refused:
                if refused.code == 400:
                    raise ServiceError(f"The worker refuses {connector['name']}: {refused.read()!r}") from None
            return False
        except OSError:
            return False

    def story(self) -> str:
        """The end of what it has logged."""
        return "" if self._process is None else self._process.output()[-2_000:]

    def stop(self) -> None:
        """As Ctrl-C does: what was read is written, and positions are saved."""
        if self._process is not None:
            self._process.close()
            self._process.join(STOPPED_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._guard.close()
        self._port.close()
