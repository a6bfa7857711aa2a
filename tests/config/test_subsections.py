"""[kafka.schema_registry], a section within a section, from every layer."""

from pathlib import Path

import pytest

from ingest.config import Config, Secret, effective_toml, load
from ingest.config.layers import SUBSECTIONS, dotted
from ingest.config.sections import SECTIONS
from ingest.errors import ConfigError

FILE = """
[kafka]
bootstrap_servers = "kafka1:9092"
[kafka.librdkafka]
"linger.ms" = "7"
[kafka.schema_registry]
url = "https://registry:8081/path"
user = "ingest"
password_file = "password"
auto_register = false
"""


def loaded(tmp_path: Path, text: str, **environ: str) -> Config:
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    (tmp_path / "ingest.toml").write_text(text)
    return load(tmp_path / "ingest.toml", environ=environ, for_command="print-config")


def problem(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    return str(refused.value)


def test_the_file(tmp_path: Path) -> None:
    kafka = loaded(tmp_path, FILE).kafka
    assert (kafka.bootstrap_servers, kafka.librdkafka) == ("kafka1:9092", {"linger.ms": "7"})
    registry = kafka.schema_registry
    assert (registry.url, registry.user, registry.password) == (
        "https://registry:8081/path",
        "ingest",
        Secret("secret"),
    )
    assert not registry.auto_register


def test_environment_and_flags_win(tmp_path: Path) -> None:
    environ = {
        "INGEST__KAFKA__SCHEMA_REGISTRY__URL": "http://b",
        "INGEST__KAFKA__SCHEMA_REGISTRY__AUTO_REGISTER": "true",
    }
    assert loaded(tmp_path, FILE, **environ).kafka.schema_registry.auto_register
    flags = ["kafka.schema_registry.url=http://c"]
    config = load(tmp_path / "ingest.toml", environ=environ, overrides=flags, for_command="print-config")
    assert config.kafka.schema_registry.url == "http://c"
    assert config.kafka.schema_registry.user == "ingest"


def test_what_is_in_force_can_be_read_again(tmp_path: Path) -> None:
    config = loaded(tmp_path, FILE)
    shown = effective_toml(config)
    assert "secret" not in shown.replace("secret ", "")
    assert loaded(tmp_path, shown).kafka.schema_registry.url == config.kafka.schema_registry.url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[kafka.schema_registry]\nurll = "x"', "did you mean kafka.schema_registry.url?"),
        ('[kafka.schema_registri]\nurl = "x"', "did you mean kafka.schema_registry?"),
        ('[kafka]\nschema_registry = "http://x"', "write [kafka.schema_registry]"),
        ('[kafka.schema_registry]\nurl = "registry:8081"', "begins with http:// or https://"),
        ('[kafka.schema_registry]\nurl = "http://a:1,http://b:1"', "begins with http:// or https://"),
        ('[kafka.schema_registry]\nurl = "http://user:word@registry"', "without a user"),
        ('[kafka.schema_registry]\nurl = "http://user:wo/rd@registry"', "without a user"),
        ('[kafka.schema_registry]\nauto_register = "yes"', "write true or false"),
        (
            '[kafka.schema_registry]\npassword_file = "password"',
            "kafka.schema_registry.user: is required by a password",
        ),
    ],
)
def test_mistakes(tmp_path: Path, text: str, words: str) -> None:
    said = problem(tmp_path, text)
    assert words in said
    assert ":word@" not in said


def test_avro_needs_a_registry(tmp_path: Path) -> None:
    hub = '[hub]\nevent_hub_connection_string = "Endpoint=sb://h/;SharedAccessKeyName=a;SharedAccessKey=a2V5;EntityPath=e"\n'
    text = hub + '[source]\nformat = "connect-avro"\n[checkpoints]\nstore = "file"\n'
    (tmp_path / "ingest.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"kafka\.schema_registry\.url: is required by source\.format"):
        load(tmp_path / "ingest.toml", environ={}, for_command="run")
    assert load(
        tmp_path / "ingest.toml", environ={"INGEST__KAFKA__SCHEMA_REGISTRY__URL": "http://r"}, for_command="run"
    )


def test_the_layers_know_the_sections_within_sections() -> None:
    assert {dotted(name) for name in SUBSECTIONS} == {section for section in SECTIONS if "." in section}
