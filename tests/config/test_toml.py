import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import At, Config, Offsets, Secret, Start, effective_toml, example_toml, load
from ingest.config.schema import KEYS
from ingest.config.toml import shown_value
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
