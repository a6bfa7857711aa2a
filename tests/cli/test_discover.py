"""`ingest discover` as it is typed."""

import io
import json
import sys
from pathlib import Path

import pytest

from ingest.cli.main import main
from ingest.discovery.http import Answer, JsonClient
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE
from tests.config.samples import IOT_HUB
from tests.discovery.test_ambari import bodies


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f'"{IOT_HUB}"\n'.encode())))


@pytest.mark.usefixtures("piped")
def test_az_prints_toml(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "az"]) == EXIT_OK
    shown = capsys.readouterr().out
    assert shown.endswith(f'[hub]\niot_hub_connection_string = "{IOT_HUB}"\n')
    assert shown.startswith("# For hub.event_hub_connection_string")


@pytest.mark.usefixtures("piped")
def test_az_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "az", "--json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["settings"] == {"hub.iot_hub_connection_string": IOT_HUB}


@pytest.mark.usefixtures("piped")
def test_a_terminal_shows_no_secret(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["discover", "az"]) == EXIT_OK
    shown = capsys.readouterr().out
    assert "SharedAccessKey=" not in shown
    assert 'iot_hub_connection_string = "***"' in shown


@pytest.mark.usefixtures("piped")
def test_az_merges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ingest.toml"
    path.write_text("# mine\n")
    assert main(["discover", "az", "--write", str(path)]) == EXIT_OK
    assert capsys.readouterr().out == f"{path}: hub.iot_hub_connection_string\n"
    assert path.read_text().startswith("# mine\n")


def test_ambari(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def get(self: JsonClient, path: str) -> Answer:
        asked.append(self._base + path)
        return Answer(200, bodies()[path], "")

    monkeypatch.setattr(JsonClient, "get", get)
    password = tmp_path / "password"
    password.write_text("hunter2\n")
    password.chmod(0o600)
    command = ["discover", "ambari", "--url", "http://headnodehost:8080/", "--password-file", str(password)]
    assert main(command) == EXIT_OK
    assert 'bootstrap_servers = "wn0-mykafk.' in capsys.readouterr().out
    assert asked[0] == "http://headnodehost:8080/api/v1/clusters"
    assert main([*command, "--cluster", "other"]) == EXIT_UNAVAILABLE
    assert capsys.readouterr().err == "ingest: there is no cluster other: Ambari has mykafka.\n"


def test_a_password_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "ambari", "--url", "http://h:8080", "--password-file", "/nowhere"]) == EXIT_UNAVAILABLE
    assert "--password-file: /nowhere cannot be read" in capsys.readouterr().err
