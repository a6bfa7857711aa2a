"""What `source.delivery = "exactly_once"` refuses, in words, before anything starts."""

from pathlib import Path

import pytest

from ingest.config import Config, load
from ingest.errors import EXIT_CONFIG, ConfigError
from tests.config.samples import COMPLETE, NAMESPACE


def loaded(tmp_path: Path, source: str, kafka: str = "", librdkafka: str = "") -> Config:
    file = tmp_path / "ingest.toml"
    file.write_text(
        f'{COMPLETE}[source]\ndelivery = "exactly_once"\n{source}\n[kafka]\n{kafka}\n[kafka.librdkafka]\n{librdkafka}\n'
    )
    return load(file, environ={}, for_command="run")


def test_it_is_a_choice_and_what_it_needs_has_defaults(tmp_path: Path) -> None:
    source = loaded(tmp_path, "").source
    assert (source.delivery, source.position_topic, source.commit_interval_ms) == (
        "exactly_once",
        "ingest-positions",
        500,
    )
    assert Config().source.delivery == "at_least_once"


@pytest.mark.parametrize(
    ("source", "kafka", "librdkafka", "words"),
    [
        ("", "producers = 2", "", "kafka.producers = 2: .*exactly_once.* of one producer: write 1"),
        (
            "",
            f'kind = "event_hubs"\nconnection_string = "{NAMESPACE}"',
            "",
            "source.delivery = .exactly_once.: .*has no transactions",
        ),
        ("", "", 'acks = "1"', "kafka.librdkafka.acks = .1.: fewer acknowledgements can lose events"),
        ("", "", '"message.timeout.ms" = 300000', "message.timeout.ms = 300000: ingest keeps every event"),
        ("", "", '"transactional.id" = "x"', "transactional.id = .x.: ingest names its transactions itself"),
        ("", "", '"transaction.timeout.ms" = 5000', "transaction.timeout.ms = .*5000.*: write 10000 to 900000"),
        (
            "commit_interval_ms = 20000",
            "",
            '"transaction.timeout.ms" = 30000',
            "transaction.timeout.ms = .*: write 40000 to 900000",
        ),
        ('position_topic = "iotin"', "", "", "source.position_topic = .iotin.: the same topic as in source.topic"),
        ('position_topic = "iotout"', "", "", "source.position_topic = .iotout.: the same topic as in sink.topics"),
        ("commit_interval_ms = 5", "", "", "source.commit_interval_ms = 5: .*from 10 to 30000"),
    ],
)
def test_what_transactions_cannot_have_beside_them(
    tmp_path: Path, source: str, kafka: str, librdkafka: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        loaded(tmp_path, source, kafka, librdkafka)
    assert refused.value.exit_code == EXIT_CONFIG
    assert len(refused.value.problems) == 1


def test_at_least_once_goes_without_all_that(tmp_path: Path) -> None:
    file = tmp_path / "ingest.toml"
    file.write_text(f'{COMPLETE}[source]\nposition_topic = "iotin"\n[kafka]\nproducers = 2\n')
    assert load(file, environ={}, for_command="run").kafka.producers == 2
