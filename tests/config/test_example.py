"""The annotated configuration for systemd: in step with the schema, and right as it stands."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.config import Config, load
from ingest.config.example import CREDENTIALS, KAFKA_PASSWORD, instance_toml
from ingest.config.sections import KEYS
from tests.config.samples import COMPLETE

COMMITTED = Path(__file__).parent.parent.parent / "systemd" / "example.toml"
SECRETS = {
    name: re.search(rf'{key} = "(.*)"', COMPLETE)[1]  # type: ignore[index]  # it is there, or the test fails here
    for (_, key), name in CREDENTIALS.items()
    if key in COMPLETE
} | {
    "iot-hub": "HostName=h.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=a2V5",
    KAFKA_PASSWORD: "hunter22",
    "registry-password": "hunter23",
    "proxy-password": "hunter24",
    "identity-certificate": "-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----",
    "identity-secret": "hunter25",
}


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """What systemd makes of LoadCredential=."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret + "\n")
        (folder / name).chmod(0o400)
    return folder


def loaded(path: Path, text: str, credentials: Path) -> Config:
    path.write_text(text)
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    return replace(load(path, environ=environ, for_command="check-config"), path=None)


def test_the_committed_file_is_the_generated_one() -> None:
    assert COMMITTED.read_text() == instance_toml(), "python -m ingest.config.example > systemd/example.toml"


def test_it_is_right_as_it_stands_and_changes_no_default(tmp_path: Path, credentials: Path) -> None:
    config = loaded(tmp_path / "plant1.toml", instance_toml(), credentials)
    assert config.hub.event_hub is not None
    assert config.checkpoints.blob_connection_string
    defaults = Config()
    assert config.hub.iot_hub is None
    for section in ("source", "kafka", "sink", "metrics", "service"):
        assert getattr(config, section) == getattr(defaults, section)


def test_every_commented_key_may_be_uncommented(tmp_path: Path, credentials: Path) -> None:
    # A commented key has no space after the #, prose has one. The connection string of [kafka] goes with another kind alone.
    text = re.sub(r"(?m)^#(?=\S)(?!connection_string_file)", "", instance_toml())
    config = loaded(tmp_path / "plant1.toml", text, credentials)
    assert config.hub.iot_hub is not None
    assert str(config.kafka.librdkafka["sasl.password"]) == "***"
    assert replace(config.sink, sends_per_second=None) == Config().sink
    assert config.source == Config().source


def test_every_key_is_there_and_no_line_is_long() -> None:
    example = instance_toml()
    for section, keys in KEYS.items():
        for name in keys:
            assert re.search(rf"(?m)^#?{name}(_file)? = |^\[{section}\.{name}\]", example), name
    assert max(len(line) for line in example.splitlines()) <= 120
