"""What must be true of Kafka before commands are read."""

from ingest.config import Config
from ingest.kafka.admin import TopicMaker, fix_of_missing
from ingest.kafka.client import settings
from ingest.kafka.topics_in_use import topics_in_use

ANSWER_SECONDS = 5.0


def check_topics(config: Config) -> None:
    """Checks that all sink topics exist, or the broker makes them now. Raises ConfigError, Refused or Unreachable."""
    cluster = TopicMaker(settings(config.kafka), create=fix_of_missing(config.kafka))
    for topic in topics_in_use(config, ("sink",)):
        cluster.describe(topic, ANSWER_SECONDS)
