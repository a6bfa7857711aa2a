"""The TOML that is printed: the same configuration as the files, whatever is in them, and no secret."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.config import Config, load
from ingest.errors import ConfigError
from ingest.migrate.rendering import Rendered, render
from ingest.migrate.translation import Translation
from ingest.migrate.writing import write
from tests.migrate.samples import SINK, SOURCE, WORKER, translated

JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="in\\n" password="c2VjcmV0";'
WORKER_TOO = {
    **WORKER,
    "producer.sasl.jaas.config": JAAS,
    "producer.linger.ms": "5",
    "consumer.max.poll.records": "10",
    "config.providers": "x",
}
SOURCE_TOO = {**SOURCE, "IotHub.StartTime": "", "IotHub.Offsets": "1,2", "BatchSize": "10", "IotHub.ConsumerGroup": "g"}
_VALUES = st.text(max_size=12) | st.sampled_from(
    ["\x00\n", '"""', "\\", "#", "'", "\ud800", "1,2", "PLACEHOLDER", "0", " a\tb "]
)
_CHANGES = st.dictionaries(
    st.sampled_from(sorted({*WORKER_TOO, *SOURCE_TOO, *SINK} - {"connector.class"})), _VALUES, max_size=3
)


def rendered(translation: Translation) -> Rendered:
    return render(translation, ["worker", "source\n[x]", "sink"])


def test_it_loads_to_what_the_files_load_to(tmp_path: Path) -> None:
    translation, _ = translated(SOURCE_TOO, SINK, worker=WORKER_TOO)
    write(rendered(translation), tmp_path / "ingest.toml")
    made = load(tmp_path / "ingest.toml", environ={})
    direct = load(None, environ={}, below=translation.below())
    for section in ("hub", "source", "checkpoints", "kafka", "sink"):
        assert getattr(made, section) == getattr(direct, section)
    assert made.source.start == direct.source.start != Config().source.start


@settings(max_examples=60)
@example({"producer.linger.ms": "\ud800"}, {})
@example({}, {"name": "\x7f"})
@given(_CHANGES, _CHANGES)
def test_any_values_become_toml_or_problems(of_worker: Mapping[str, str], of_connectors: Mapping[str, str]) -> None:
    translation, _ = translated(
        {**SOURCE_TOO, **{name: text for name, text in of_connectors.items() if name in SOURCE_TOO}},
        {**SINK, **{name: text for name, text in of_connectors.items() if name in SINK}},
        worker={**WORKER_TOO, **{name: text for name, text in of_worker.items() if name in WORKER_TOO}},
    )
    toml = rendered(translation).toml
    toml.encode()
    assert tomllib.loads(toml).keys() <= {"hub", "source", "checkpoints", "kafka", "sink", "service"}
    assert "c2VjcmV0" not in toml
    if not translation.problems:
        load(None, environ={}, below=translation.below())


def test_no_file_is_read_as_a_problem_that_a_value_from_elsewhere_settles() -> None:
    translation, _ = translated({**SOURCE, "Kafka.Topic": ""})
    with pytest.raises(ConfigError, match=r"Kafka\.Topic"):
        load(None, environ={}, below=translation.below())
    assert load(None, environ={"INGEST__SOURCE__TOPIC": "t"}, below=translation.below()).source.topic == "t"
