"""What must be true of Kafka before commands are read."""

from ingest.config import Config
from ingest.errors import ConfigError, Problem
from ingest.kafka.producer import settings
from ingest.kafka.topics import describe

ANSWER_SECONDS = 5.0


def look_at_topics(config: Config) -> None:
    """All topics of the sink exist, or the broker makes them now. Raises ConfigError, Refused or Unreachable."""
    from confluent_kafka import KafkaException, Producer

    topics = [*config.sink.topics, config.sink.dead_letter_topic]
    if config.sink.ack != "none":
        topics.append(config.sink.feedback_topic)
    try:
        # A producer's request for metadata makes a topic where the broker allows that; a consumer's does not.
        producer = Producer({"log_level": 2, **settings(config.kafka)})
    except KafkaException as wrong:
        raise ConfigError([Problem("kafka.librdkafka", "", wrong.args[0].str())]) from None
    for topic in topics:
        describe(producer, topic, ANSWER_SECONDS)
