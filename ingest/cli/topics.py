"""`ingest topics create`: the Kafka topics that the configuration names."""

import json

from ingest.config import Config, Secret
from ingest.errors import EXIT_OK
from ingest.kafka.admin import TopicSpec, create_topics

_TIMEOUT_SECONDS = 30.0


def create(config: Config, *, partitions: int, replication_factor: int, as_json: bool) -> int:
    """Creates what is missing and prints one line per topic, or one JSON list. Raises Refused or Unreachable."""
    settings = {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in config.kafka.librdkafka.items()
    }
    specs = wanted_topics(config, partitions, replication_factor)
    results = create_topics(config.kafka.bootstrap_servers, settings, specs, _TIMEOUT_SECONDS)
    if as_json:
        rows = [{"topic": topic.name, "outcome": topic.outcome, "partitions": topic.partitions} for topic in results]
        print(json.dumps(rows))
    else:
        for topic in results:
            print(f"{topic.outcome:<9}{topic.name} ({topic.partitions} partition{'s' * (topic.partitions != 1)})")
    return EXIT_OK


def wanted_topics(config: Config, partitions: int, replication_factor: int) -> list[TopicSpec]:
    """The topics of the source, and those of the sink when the hub's service connection string is given. Dead letters
    are rare and get one partition."""
    source, sink = config.source, config.sink
    wanted = {source.topic: partitions, source.dead_letter_topic: 1}
    if config.hub.iot_hub_connection_string:
        wanted |= dict.fromkeys(sink.topics, partitions) | {sink.dead_letter_topic: 1}
        if sink.ack != "none":
            wanted[sink.feedback_topic] = partitions
    return [TopicSpec(name, count, replication_factor) for name, count in wanted.items()]
