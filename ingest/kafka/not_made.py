"""A librdkafka client that could not be made: its settings are wrong, or the machine has no room for its threads now."""

from typing import TYPE_CHECKING

from ingest import scarcity
from ingest.errors import ConfigError, IngestError, Problem, Unreachable

if TYPE_CHECKING:
    from confluent_kafka import KafkaException


def not_made(error: "KafkaException") -> IngestError:
    """Returns the error to raise instead of the constructor's: ConfigError, or Unreachable, which is tried again."""
    told = error.args[0].str()
    # librdkafka gives the system's words, and only for some clients its own code (_CRIT_SYS_RESOURCE).
    lacking = scarcity.in_words_of_the_system(told)
    if lacking is not None or error.args[0].name() == "_CRIT_SYS_RESOURCE":
        return Unreachable(f"no client of Kafka can be made: {lacking or scarcity.NO_TASK}")
    return ConfigError([Problem("kafka.librdkafka", "", told)])
