"""The whole of `ingest doctor`: what it prints, its exit codes, and that it tells no secret."""

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.cli import doctor
from ingest.cli.doctor import line_of, summary
from ingest.cli.main import main
from ingest.config import load
from ingest.doctor.check import Finding
from ingest.emulator import Emulator
from ingest.kafka.mock_cluster import MockCluster
from tests.faults.ingest_process import Sections, write_config
from tests.services import ROOT
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

WRONG_KEY = "d3JvbmcgYXMgaXQgY2FuIGJlIG9mIHRoaXMgbGVuZ3Ro"


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=2, c2d=True) as emulator:
        yield emulator


def sections(hub: Emulator, bootstrap: str, blob: str) -> Sections:
    ends = hub.endpoints
    return {
        "hub": {
            "event_hub_connection_string": ends.event_hub_connection_string_tls,
            "iot_hub_connection_string": ends.iot_hub_connection_string,
            "ca_file": ends.ca_file,
        },
        "checkpoints": {"blob_connection_string": blob, "container": f"doctor-{uuid.uuid4().hex}"},
        "kafka": {"bootstrap_servers": bootstrap},
        "metrics": {"port": 0},
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ingest.toml"
    path.touch(0o600)
    return path


def ran(file: Path) -> tuple[int, list[dict[str, Any]], str]:
    """`ingest doctor --json` as a user runs it: exit code, findings, what it printed."""
    arguments = [sys.executable, "-m", "ingest", "doctor", "-c", str(file), "--json"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("INGEST__")}
    process = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False, env=environ)
    assert process.stderr == ""
    return process.returncode, json.loads(process.stdout), process.stdout


@pytest.mark.services
def test_a_healthy_node(hub: Emulator, kafka: KafkaCluster, blob: Azurite, file: Path) -> None:
    """The shared cluster makes topics by itself, so that missing ones are no failure."""
    write_config(file, sections(hub, kafka.bootstrap, blob.connection_string))
    code, findings, text = ran(file)
    assert code == 0, text
    assert {tuple(finding) for finding in findings} == {("check", "result", "seen", "fix", "seconds")}
    assert {finding["result"] for finding in findings} <= {"ok", "warn"}
    for name in ("clock", "event hub key", "consumer group", "IoT hub key", "Kafka"):
        assert [finding["result"] for finding in findings if finding["check"] == name] == ["ok"], name
    assert no_secret(text, hub, blob)


@pytest.mark.services
def test_much_is_broken_at_once(
    hub: Emulator, authorized: KafkaCluster, blob: Azurite, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Wrong key, missing topic, metrics on somebody else's address, skewed clock, open file."""
    wrong_key = hub.endpoints.event_hub_connection_string_tls.replace(hub.keys.service, WRONG_KEY)
    write_config(
        file,
        sections(hub, authorized.bootstrap, blob.connection_string),
        {"hub": {"event_hub_connection_string": wrong_key}, "metrics": {"host": "192.0.2.1"}},
    )
    file.chmod(0o644)
    code = doctor.run(lambda: load(file, environ={}), as_json=False, environ={}, now=lambda: time.time() + 437)
    out, err = capfd.readouterr()
    assert (code, err) == (1, "")
    lines = out.splitlines()
    for wanted in (
        "warn  secret files",
        "FAIL  metrics port",
        "FAIL  clock",
        "FAIL  event hub key",
        "FAIL  topic iotin ",
    ):
        assert [line for line in lines if line.startswith(wanted) and "→" in line], (wanted, out)
    for wanted in ("skip  consumer group", "ok    IoT hub key", "ok    Kafka"):
        assert [line for line in lines if line.startswith(wanted)], (wanted, out)
    assert "failed" in lines[-1]
    assert WRONG_KEY not in out
    assert no_secret(out, hub, blob)


def no_secret(text: str, hub: Emulator, blob: Azurite) -> bool:
    key = blob.connection_string.split("AccountKey=")[1].split(";")[0]
    return not any(secret in text for secret in (hub.keys.service, key, "sig=", "SharedAccessKey="))


def test_nobody_says_anything(file: Path) -> None:
    """Connections are taken, and nothing comes: the doctor ends all the same, and what hangs does not keep it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        key = "SharedAccessKeyName=service;SharedAccessKey=a2V5"
        event_hub = f"Endpoint=sb://{address};{key};EntityPath=hub;UseDevelopmentEmulator=true"
        store = f"BlobEndpoint=http://{address}/a;AccountName=a;AccountKey=a2V5"
        write_config(
            file,
            {
                "hub": {"event_hub_connection_string": event_hub},
                "checkpoints": {"blob_connection_string": store},
                "kafka": {"bootstrap_servers": address},
                "metrics": {"port": 0},
            },
        )
        code, findings, _ = ran(file)
    assert code == 1
    failed = {finding["check"]: finding for finding in findings if finding["result"] == "fail"}
    assert failed.keys() == {"event hub key", "checkpoints", "Kafka"}
    assert all(finding["fix"] for finding in failed.values())
    assert failed["event hub key"]["seen"] == "no answer within 5 s"


def test_only_commands(hub: Emulator, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with MockCluster() as cluster:
        for topic in ("iotout", "iotout.dead"):
            cluster.create_topic(topic, 4)
        commands = {
            "iot_hub_connection_string": hub.endpoints.iot_hub_connection_string,
            "ca_file": hub.endpoints.ca_file,
        }
        write_config(file, {"hub": commands, "kafka": {"bootstrap_servers": cluster.bootstrap}, "metrics": {"port": 0}})
        code = main(["doctor", "-c", str(file)])
    out = capsys.readouterr().out
    assert code == 0, out
    assert "ok    IoT hub key" in out
    assert not any(word in out for word in ("event hub", "checkpoints", "iotin"))


@pytest.mark.parametrize("as_json", [False, True])
def test_a_configuration_that_does_not_load(file: Path, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('[source]\ntopik = "iotin"\n[hub]\nevent_hub_connection_string = "Endpoint=abc123"\n')
    assert main(["doctor", "-c", str(file), *(["--json"] if as_json else [])]) == 78
    out, err = capsys.readouterr()
    assert err == ""
    assert "abc123" not in out
    if as_json:
        findings = {finding["seen"]: finding for finding in json.loads(out)}
        assert findings["source.topik"].keys() == {"check", "result", "seen", "fix", "seconds"}
        assert {finding["result"] for finding in findings.values()} == {"fail"}
    else:
        assert "FAIL  configuration  source.topik" in out
        assert "did you mean source.topic?" in out


def test_lines() -> None:
    finding = Finding("Kafka", "fail", "no\n answer", "start it", 1.0)
    assert line_of(finding, 7, coloured=False) == "FAIL  Kafka    no answer  → start it"
    assert line_of(finding, 5, coloured=True).startswith("\x1b[31;1mFAIL \x1b[0m Kafka")


def test_what_a_service_said_stays_in_its_line() -> None:
    finding = Finding("Kafka", "fail", "said \x1b]0;owned\x07", "ask\nOK   Kafka", 0.1)
    assert line_of(finding, 5, coloured=False) == "FAIL  Kafka  said \\x1b]0;owned\\x07  → ask\\nOK   Kafka"
    assert summary([finding, Finding("a", "ok", "", "", 0), Finding("b", "ok", "", "", 0)]) == "1 failed, 2 ok"
