from dataclasses import replace

from ingest.cli.topics import wanted_topics
from ingest.config import Config, Secret
from ingest.kafka.admin import TopicSpec


def test_the_source_alone() -> None:
    assert wanted_topics(Config(), 12, 3) == [TopicSpec("iotin", 12, 3), TopicSpec("iotin.dead", 1, 3)]


def test_the_sink_where_it_is_configured() -> None:
    config = Config()
    config = replace(config, hub=replace(config.hub, iot_hub_connection_string=Secret("x")))
    assert [spec.name for spec in wanted_topics(config, 4, -1)] == ["iotout", "iotout.dead"], "commands alone"
    both = replace(config, hub=replace(config.hub, event_hub_connection_string=Secret("x")))
    names = [spec.name for spec in wanted_topics(both, 4, -1)]
    assert names == ["iotin", "iotin.dead", "iotout", "iotout.dead"]
    with_feedback = replace(config, sink=replace(config.sink, ack="full"))
    assert wanted_topics(with_feedback, 4, -1)[-1] == TopicSpec("iotfeedback", 4, -1)
