import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import At, Config, Offsets, Secret, Start, effective_toml, example_toml, load
from ingest.config.rendering import shown_value
from ingest.config.sections import KEYS
from tests.config.samples import COMPLETE


def read_back(path: Path, text: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return replace(load(path, environ={}, for_command="print-config"), path=None)


def test_the_example_parses_to_the_defaults(tmp_path: Path) -> None:
    assert read_back(tmp_path / "example.toml", example_toml()) == Config()


def test_the_example_names_every_key_and_fits_a_screen() -> None:
    example = example_toml()
    for section, keys in KEYS.items():
        assert f"[{section}]" in example
        for name in keys:
            assert f"\n{name} = " in example or f"\n# {name} = " in example or f"[{section}.{name}]" in example
    assert max(len(line) for line in example.splitlines()) <= 120


@pytest.mark.parametrize(
    "start",
    [At(datetime(2024, 5, 1, tzinfo=UTC)), Offsets({"0": "12", "3": "4"})],
)
def test_the_effective_configuration_parses_to_itself(tmp_path: Path, start: Start) -> None:
    config = Config()
    config = replace(
        config,
        source=replace(config.source, start=start, partitions=("0", "3")),
        kafka=replace(config.kafka, librdkafka={"linger.ms": "5", "client.id": 'quo"ted\\'}),
        sink=replace(config.sink, sends_per_second=2.5),
    )
    assert read_back(tmp_path / "effective.toml", effective_toml(config)) == config


def test_the_effective_configuration_hides_secrets(tmp_path: Path) -> None:
    config = read_back(tmp_path / "ingest.toml", COMPLETE)
    kafka = replace(config.kafka, librdkafka={"sasl.password": Secret("hunter22")})
    shown = effective_toml(replace(config, kafka=kafka))
    assert "s3cr3t" not in shown
    assert "hunter22" not in shown
    document = tomllib.loads(shown)
    assert document["hub"]["event_hub_connection_string"] == "***"
    assert document["kafka"]["librdkafka"]["sasl.password"] == "***"


def test_a_url_among_the_settings_of_librdkafka_hides_its_user(tmp_path: Path) -> None:
    config = read_back(tmp_path / "ingest.toml", COMPLETE)
    url = "https://user:hunter22@login.example/token?tenant=a@b"
    kafka = replace(config.kafka, librdkafka={"sasl.oauthbearer.token.endpoint.url": url, "client.id": "a@b"})
    shown = tomllib.loads(effective_toml(replace(config, kafka=kafka)))["kafka"]["librdkafka"]
    assert shown == {
        "sasl.oauthbearer.token.endpoint.url": "https://***@login.example/token?tenant=a@b",
        "client.id": "a@b",
    }


def test_a_user_in_a_url_is_hidden_however_odd_the_password(tmp_path: Path) -> None:
    name = "sasl.oauthbearer.token.endpoint.url"
    config = read_back(tmp_path / "ingest.toml", COMPLETE)
    kafka = replace(config.kafka, librdkafka={name: "https://user:hun/ter22@login.example/token"})
    shown = tomllib.loads(effective_toml(replace(config, kafka=kafka)))["kafka"]["librdkafka"]
    assert shown == {name: "https://***@login.example/token"}


KEY_OF_A_POLICY = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="


@pytest.mark.parametrize(
    "value",
    [
        KEY_OF_A_POLICY,
        KEY_OF_A_POLICY.rstrip("="),
        "/" + KEY_OF_A_POLICY[1:],
        KEY_OF_A_POLICY.rstrip("=") * 2 + "==",
        ["iotin", KEY_OF_A_POLICY],
        {"0": KEY_OF_A_POLICY},
        "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodWIifQ.c2lnbmF0dXJl",
        "https://user:hunter22@login.example/token",
        "http://user:hun/ter22@proxy:3128",
        "http://user:hun ter22@proxy:3128",
        'http://user:hun"ter22@proxy:3128',
        "http:/user:hunter22@proxy:3128",
        "http//user:hunter22@proxy:3128",
        "user:hunter22@kafka:9092",
        "kafka1:9092, user:hunter22@kafka2:9092",
        "sasl_ssl://:hunter22@kafka:9092",
    ],
)
def test_a_key_in_a_wrong_place_is_not_shown(value: object) -> None:
    assert shown_value(value) == "***"


@pytest.mark.parametrize(
    "value",
    [
        "kafka1.example.com:9092,kafka2.example.com:9092",
        "/var/lib/Ingest2/checkpoints/of/this/node/and/no/other",
        "/etc/a:b@c.pem",
    ],
)
def test_a_long_value_that_is_no_key_is_shown(value: str) -> None:
    assert shown_value(value) == f'"{value}"'


_CHARACTERS = st.text(st.characters(codec="utf-8"), max_size=40)
_VALUES = st.recursive(
    _CHARACTERS | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_CHARACTERS, inner, max_size=3),
    max_leaves=4,
)


@given(_VALUES)
def test_values_in_errors_are_toml_unless_hidden_or_cut(value: object) -> None:
    shown = shown_value(value)
    if shown != "***" and not shown.endswith("…"):
        assert tomllib.loads(f"value = {shown}")["value"] == value
