from pathlib import Path

import pytest

from ingest.config.values import BadValue
from ingest.errors import ConfigError, Problem
from ingest.migrate.connect_file import load_properties
from ingest.migrate.connect_files import load
from ingest.migrate.providers import Providers
from tests.migrate.samples import SOURCE, WORKER, values, write

KAFKAS = "org.apache.kafka.common.config.provider"
NAMED = {
    "config.providers": "file, env,folder,vault",
    "config.providers.file.class": f"{KAFKAS}.FileConfigProvider",
    "config.providers.env.class": f"{KAFKAS}.EnvVarConfigProvider",
    "config.providers.folder.class": f"{KAFKAS}.DirectoryConfigProvider",
    "config.providers.vault.class": "com.example.Vault",
}


def read(path: Path) -> dict[str, str]:
    if path.name == "missing":
        raise ConfigError([Problem(str(path), "", "cannot be read")])
    return {"key": f"of {path}"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${file:/a/b.properties:key}", "of /a/b.properties"),
        ("<${file:/a:key}|${env:HOME}|${env::HOME}>", "<of /a|/home|/home>"),
        ("${file:/a:other}", "${file:/a:other}"),
        ("${env:OTHER}", "${env:OTHER}"),
        ("${unknown:/a:key}", "${unknown:/a:key}"),
        ("${folder:/nowhere:a}", "${folder:/nowhere:a}"),
        ("${folder:/etc:../etc/passwd}", "${folder:/etc:../etc/passwd}"),
        ("$Default ${x}", "$Default ${x}"),
    ],
)
def test_what_a_reference_leads_to(text: str, value: str) -> None:
    assert Providers(NAMED, {"HOME": "/home"}, read).resolved(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [("${vault:a:b}", "takes its value from com.example.Vault"), ("${file:/missing:b}", "/missing: cannot be read")],
)
def test_what_cannot_be_read_is_told(text: str, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        Providers(NAMED, {}, read).resolved(text)


def test_without_providers_a_reference_is_text() -> None:
    assert Providers({}, {"A": "b"}, read).resolved("${env:A}") == "${env:A}"


def test_a_key_that_is_kept_in_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "secrets.properties", {"key": "b3RoZXI="})
    (tmp_path / "topic").write_text("iot.in\n")
    worker = write(tmp_path / "worker", {**WORKER, **NAMED})
    taken = {
        "IotHub.AccessKeyValue": f"${{file:{tmp_path}/secrets.properties:key}}",
        "Kafka.Topic": f"${{folder:{tmp_path}:topic}}",
    }
    translation, _ = load(worker, [write(tmp_path / "source", {**SOURCE, **taken})], {})
    found = values(translation)
    assert found["source.topic"] == "iot.in"
    assert "SharedAccessKey=b3RoZXI=;" in found["hub.event_hub_connection_string"].reveal()  # type: ignore[attr-defined]
    assert "config.providers" not in str(translation.remarks)
    write(tmp_path / "source", {**SOURCE, "Kafka.Topic": "${vault:a:b}"})
    with pytest.raises(
        ConfigError, match=r'source: Kafka.Topic = "\$\{vault:a:b\}": takes its value from com.example.Vault'
    ):
        load(worker, [tmp_path / "source"], {})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a=\\u00g0", r"line 1: \\u00g0 is not"),
        (b'{"name": ', "begins like JSON and is none"),
        (b'{"name": "a", "config": []}', "is not {"),
        (b"a=b\n" * 300_000, "is larger than"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read(content: bytes | None, why: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        load_properties(tmp_path / "file")
