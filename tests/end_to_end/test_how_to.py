"""The how-to for HDInsight in five commands, as docs/hdinsight.md has recorded it: each is typed here, and says what is there.

What differs: the addresses, one broker instead of three, and that Python's packages are installed already.
"""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Consumer, Message, Producer

from ingest.emulator import Emulator
from tests.discovery.toy_ambari import toy_ambari
from tests.end_to_end.pages import PAGES
from tests.end_to_end.readme_node import TypedProcess
from tests.faults.waiting import wait_until
from tests.services import ROOT
from tests.services.kafka import KafkaCluster

pytestmark = pytest.mark.services
(RECORDED,) = PAGES["docs/hdinsight.md"].blocks("console")
PROMPT, GAP, INTERRUPT = "$ ", "…", "^C"
ANY_LINES: Final = r"(?:.*\n)*"
TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"
URL: Final = "https://CLUSTER.azurehdinsight.net"
PASSWORD: Final = "hunter2"
DEVICE: Final = "myDeviceId"
TELEMETRY: Final = b'{"temperature":26.3}'
COMMAND: Final = {"messageId": "msg1", "message": "Turn On", "deviceId": DEVICE}
SECONDS: Final = 60


def steps() -> list[tuple[str, list[str]]]:
    """Each command of the page with the lines that it says there."""
    found: list[tuple[str, list[str]]] = []
    for line in RECORDED.splitlines():
        if line.startswith(PROMPT):
            found.append((line.removeprefix(PROMPT), []))
        else:
            found[-1][1].append(line)
    return found


def pattern_of(lines: list[str]) -> re.Pattern[str]:
    """What fits the lines: `…` stands for any text, alone in its line for any lines; a time and a port are any."""
    patterns = [ANY_LINES if line == GAP else _line(line) + "\n" for line in lines if line != INTERRUPT]
    return re.compile("".join(patterns))


def _line(line: str) -> str:
    text = re.sub(TIME, "TIME", line).replace(":9464/", ":PORT/")
    text = re.escape(text).replace(GAP, ".*")
    return text.replace("TIME", TIME).replace("PORT", r"\d+")


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=4, c2d=True) as emulator:
        emulator.c2d.auto_complete()
        yield emulator


class Machine:
    """A folder, and a shell in which `ingest` and `az` are programs."""

    def __init__(self, folder: Path, hub: Emulator, bootstrap: str) -> None:
        self.folder = folder
        self.suffix = f"-{uuid.uuid4().hex}"
        programs = folder / "bin"
        programs.mkdir()
        self._program(programs / "ingest", f'exec {sys.executable} -m ingest "$@"')
        self._program(programs / "az", f'cat "{programs}/$3.json"')
        parts = dict(part.split("=", 1) for part in hub.endpoints.event_hub_connection_string_tls.split(";"))
        iot_hub = dict(part.split("=", 1) for part in hub.endpoints.iot_hub_connection_string.split(";"))
        recorded = json.loads((ROOT / "tests" / "vectors" / "az.json").read_text())
        show, policy = recorded["iot hub show"], recorded["iot hub policy show"]
        show["properties"]["hostName"] = iot_hub["HostName"]
        show["properties"]["eventHubEndpoints"]["events"] |= {
            "endpoint": parts["Endpoint"],
            "path": parts["EntityPath"],
        }
        policy |= {"keyName": parts["SharedAccessKeyName"], "primaryKey": parts["SharedAccessKey"]}
        (programs / "show.json").write_text(json.dumps(show))
        (programs / "policy.json").write_text(json.dumps(policy))
        (folder / "ambari-password").write_text(PASSWORD)
        (folder / "ambari-password").chmod(0o600)
        topics = {"SOURCE__TOPIC": "iotin", "SOURCE__DEAD_LETTER_TOPIC": "iotin.dead"}
        topics |= {"SINK__TOPICS": "iotout", "SINK__DEAD_LETTER_TOPIC": "iotout.dead", "SINK__GROUP_ID": "sink"}
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("INGEST__")} | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            # In the order in which a terminal shows both streams.
            "PYTHONUNBUFFERED": "1",
            "INGEST__KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "INGEST__HUB__CA_FILE": hub.endpoints.ca_file,
            "INGEST__METRICS__PORT": "0",
            **{f"INGEST__{key}": name + self.suffix for key, name in topics.items()},
        }

    @staticmethod
    def _program(path: Path, script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def typed(self, command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.environ,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return self.as_recorded(done.stdout)

    def as_recorded(self, said: str) -> str:
        return said.replace(self.suffix, "")


def first_record(bootstrap: str, topic: str) -> Message:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.subscribe([topic])
    try:
        found = wait_until(lambda: consumer.poll(0.1), f"no record in {topic}")
        assert found is not None
        assert found.error() is None
        return found
    finally:
        consumer.close()


def test_five_commands_and_what_they_say(hub: Emulator, kafka: KafkaCluster, tmp_path: Path) -> None:
    (install, _), *others, (run, running) = steps()
    assert len(steps()) == 5
    assert install.endswith("pip install -q .")
    machine = Machine(tmp_path, hub, kafka.bootstrap)
    with toy_ambari(password=PASSWORD) as url:
        for command, lines in others:
            said = machine.typed(command.replace(URL, url).replace("--replication 3", "--replication 1"))
            assert pattern_of(lines).fullmatch(said), said
    with TypedProcess(tmp_path, run, machine.environ) as process:
        process.start()
        process.wait_ready()
        hub.send(DEVICE, TELEMETRY)
        record = first_record(kafka.bootstrap, f"iotin{machine.suffix}")
        assert record.key() == DEVICE.encode()
        assert json.loads(record.value() or b"")["content"] == TELEMETRY.decode()
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        producer.produce(f"iotout{machine.suffix}", json.dumps(COMMAND).encode())
        assert producer.flush(SECONDS) == 0
        wait_until(
            lambda: [each.body for each in hub.c2d.consumed()] == [b"Turn On"], lambda: process.story("no command")
        )
        os.kill(process.pid, signal.SIGINT)
        assert process.join() == 0
        said = machine.as_recorded("".join(f"{line}\n" for line in process.messages()))
        assert pattern_of(running).fullmatch(said), said
