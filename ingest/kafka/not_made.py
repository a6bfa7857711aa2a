"""A librdkafka client that could not be made: its settings are wrong, or the machine has no room for its threads now."""

from typing import TYPE_CHECKING

from ingest import scarcity
from ingest.errors import ConfigError, IngestError, Problem, Unreachable

if TYPE_CHECKING:
    from confluent_kafka import KafkaException


def not_made(error: "KafkaException") -> IngestError:
    """To be raised in place of what a client's constructor raised: ConfigError, or Unreachable, which is tried again."""
    told = error.args[0].str()
    # librdkafka has the system's words for it, and a code of its own (_CRIT_SYS_RESOURCE) for some clients only.
    lacking = scarcity.in_words_of_the_system(told)
    if lacking is not None or error.args[0].name() == "_CRIT_SYS_RESOURCE":
        return Unreachable(f"no client of Kafka can be made: {lacking or scarcity.NO_TASK}")
    return ConfigError([Problem("kafka.librdkafka", "", told)])
