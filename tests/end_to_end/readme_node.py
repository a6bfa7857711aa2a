"""The newcomer's machine: the README's own configuration, its secrets in files, services behind it, and a shell."""

import os
import re
import shlex
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from confluent_kafka import Consumer, Message, Producer

from ingest.config import Config, load
from ingest.emulator import Emulator
from tests.faults.ingest_process import IngestProcess
from tests.faults.waiting import wait_until
from tests.services import ROOT
from tests.services.azurite import Azurite
from tests.services.guard import Guard
from tests.services.kafka import KafkaCluster
from tests.services.ports import ReservedPort

SECONDS = 60
INSTANCE = "plant1"
"""The systemd instance of the README."""
_ETC = "/etc/ingest"


class ReadmeNode:
    """Use as a `with` block."""

    def __init__(self, folder: Path, toml: str, kafka: KafkaCluster, blob: Azurite) -> None:
        """`toml` is the README's; its brokers are replaced. The hub has four partitions, as the emulator's default is."""
        self.folder = folder
        self.hub = Emulator(partitions=4, c2d=True)
        self.kafka = kafka
        self._toml = toml
        self._blob = blob
        self._port = ReservedPort()
        self._process: TypedProcess | None = None
        self._closing = ExitStack()

    def __enter__(self) -> "ReadmeNode":
        self.hub.start()
        self.hub.c2d.auto_complete()
        endpoints = self.hub.endpoints
        self.secrets = {
            "event-hub": endpoints.event_hub_connection_string,
            "iot-hub": endpoints.iot_hub_connection_string,
            "blob": self._blob.connection_string,
        }
        brokers = re.compile(r"^#?(bootstrap_servers = ).*$", re.MULTILINE)
        here = rf'\1"{self.kafka.bootstrap}"'
        etc = self.folder / "etc"
        (etc / INSTANCE).mkdir(parents=True)
        for folder in (self.folder, etc / INSTANCE):
            for name, secret in self.secrets.items():
                (folder / name).write_text(secret + "\n")
                (folder / name).chmod(0o600)
        self.config_file.write_text(brokers.sub(here, self._toml))
        example = (ROOT / "systemd" / "example.toml").read_text()
        (etc / f"{INSTANCE}.toml").write_text(brokers.sub(here, example))
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "ingest").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ingest "$@"\n')
        (programs / "ingest").chmod(0o755)
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("INGEST__")} | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            # Of this rig alone: a certificate that no real hub needs, and a port that nobody else has.
            "INGEST__HUB__CA_FILE": endpoints.ca_file,
            "INGEST__METRICS__PORT": str(self._port.number),
        }
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.down()
        finally:
            self._closing.close()
            self._port.close()
            self.hub.close()

    @property
    def config_file(self) -> Path:
        return self.folder / "ingest.toml"

    def config(self) -> Config:
        """As the commands read it."""
        return load(self.config_file, environ=self.environ)

    def sh(self, command: str, *, typed: str = "", expect: int = 0) -> str:
        """Runs a line of the README in the folder of `ingest.toml`; what is in /etc/ingest there is in `etc` here.

        `typed` is what the person types into it. Gives what it printed, both streams.
        """
        done = subprocess.run(
            ["sh", "-c", self.here(command)],
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.environ,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == expect, f"{command}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def here(self, command: str) -> str:
        return command.replace(_ETC, str(self.folder / "etc"))

    def holds_secret(self, name: str, text: str) -> bool:
        """Whether the file, named as in the README, holds `text` and is its owner's alone."""
        path = self.folder / self.here(name)
        return path.read_text().strip() == text and stat.S_IMODE(path.stat().st_mode) == 0o600

    def write(
        self, topic: str, value: bytes, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """One record, acknowledged."""
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap, "log_level": 0})
        producer.produce(topic, value, key, headers=list(headers))
        assert producer.flush(SECONDS) == 0

    def find(self, topic: str, key: bytes) -> Message:
        """The first record with this key, waiting for it."""
        group = f"readme-{uuid.uuid4().hex}"
        settings: dict[str, str | int | float | bool] = {"bootstrap.servers": self.kafka.bootstrap, "group.id": group}
        consumer = Consumer({**settings, "auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 0})
        consumer.subscribe([topic])
        try:
            found = wait_until(lambda: _next(consumer, key), f"topic {topic} has no record of {key!r}")
            assert found is not None
            return found
        finally:
            consumer.close()

    def received(self, device: str) -> list[str]:
        """The bodies of the commands that the device has got."""
        return [each.body.decode() for each in self.hub.c2d.consumed() if each.device_id == device]

    @contextmanager
    def started(self, command: str) -> Iterator["TypedProcess"]:
        """A line of the README that runs until SIGTERM."""
        with TypedProcess(self.folder, command, self.environ) as process:
            process.start()
            yield process

    def up(self, command: str) -> "TypedProcess":
        """An `ingest run` that is ready; runs until `down`."""
        if self._process is None:
            self._process = self._closing.enter_context(self.started(command))
        self._process.wait_ready()
        return self._process

    def down(self) -> None:
        """Ends it as SIGTERM does, and well."""
        process, self._process = self._process, None
        if process is not None:
            assert process.close() == 0, process.story("it did not end well")


def _next(consumer: Consumer, key: bytes) -> Message | None:
    message = consumer.poll(0.1)
    return message if message is not None and message.error() is None and message.key() == key else None


class TypedProcess(IngestProcess):
    """An ingest that was started by typing a line into a shell."""

    def __init__(self, folder: Path, command: str, environ: dict[str, str]) -> None:
        super().__init__(folder, command)
        self._folder = folder
        self._environ = environ

    def start(self) -> None:
        self._guard = self._guard or Guard("readme")
        self._begins_at = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = self._shell(log)
        self._guard.watch(self._process.pid)

    def _shell(self, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            # exec: the shell's signals are the program's.
            ["sh", "-c", f"exec {self._command}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self._folder,
            env=self._environ,
            start_new_session=True,
        )

    @property
    def url(self) -> str:
        """Where the metrics are."""
        return self._url()
