"""What must be true of Kafka before commands are read."""

from ingest.config import Config
from ingest.kafka.admin import TopicMaker
from ingest.kafka.producer import settings

ANSWER_SECONDS = 5.0


def check_topics(config: Config) -> None:
    """All topics of the sink exist, or the broker makes them now. Raises ConfigError, Refused or Unreachable."""
    topics = [*config.sink.topics, config.sink.dead_letter_topic]
    if config.sink.ack != "none":
        topics.append(config.sink.feedback_topic)
    cluster = TopicMaker(settings(config.kafka))
    for topic in topics:
        cluster.describe(topic, ANSWER_SECONDS)
