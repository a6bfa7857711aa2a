from dataclasses import replace

import pytest

from ingest.cli.main import main
from ingest.cli.topics import wanted_topics
from ingest.config import Config, Secret
from ingest.errors import EXIT_OK
from ingest.kafka import admin
from ingest.kafka.admin import TopicResult, TopicSpec


def test_the_source_alone() -> None:
    config = Config()
    config = replace(config, hub=replace(config.hub, event_hub_connection_string=Secret("x")))
    assert wanted_topics(config, 12, 3) == [TopicSpec("iotin", 12, 3), TopicSpec("iotin.dead", 1, 3)]


def test_both_directions_where_no_hub_is_given_yet() -> None:
    assert wanted_topics(Config(), 8, 3) == [
        TopicSpec("iotin", 8, 3),
        TopicSpec("iotin.dead", 1, 3),
        TopicSpec("iotout", 8, 3),
        TopicSpec("iotout.dead", 1, 3),
    ]


@pytest.mark.parametrize("option", ["--replication", "--replication-factor"])
def test_the_command_of_the_how_to(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[TopicSpec]] = []

    def create_topics(servers: str, settings: object, specs: list[TopicSpec], seconds: float) -> list[TopicResult]:
        made.append(specs)
        return []

    monkeypatch.setattr(admin, "create_topics", create_topics)
    assert main(["topics", "create", "--partitions", "8", option, "3"]) == EXIT_OK
    assert made == [wanted_topics(Config(), 8, 3)]


def test_the_sink_where_it_is_configured() -> None:
    config = Config()
    config = replace(config, hub=replace(config.hub, iot_hub_connection_string=Secret("x")))
    assert [spec.name for spec in wanted_topics(config, 4, -1)] == ["iotout", "iotout.dead"], "commands alone"
    both = replace(config, hub=replace(config.hub, event_hub_connection_string=Secret("x")))
    names = [spec.name for spec in wanted_topics(both, 4, -1)]
    assert names == ["iotin", "iotin.dead", "iotout", "iotout.dead"]
    with_feedback = replace(config, sink=replace(config.sink, ack="full"))
    assert wanted_topics(with_feedback, 4, -1)[-1] == TopicSpec("iotfeedback", 4, -1)
