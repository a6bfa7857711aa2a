"""What must be true of Kafka before commands are read."""

from ingest.config import Config
from ingest.errors import Unreachable
from ingest.kafka.admin import TopicMaker, fix_of_missing
from ingest.kafka.client import new_admin, settings
from ingest.kafka.group_readers import Reader, readers
from ingest.kafka.topics_in_use import topics_in_use
from ingest.sink.intake import other_hubs

ANSWER_SECONDS = 5.0
GROUP_SECONDS = 3.0


def check_topics(config: Config) -> None:
    """Checks that all sink topics exist, or the broker makes them now. Raises ConfigError, Refused or Unreachable."""
    cluster = TopicMaker(settings(config.kafka), create=fix_of_missing(config.kafka))
    for topic in topics_in_use(config, ("sink",)):
        cluster.describe(topic, ANSWER_SECONDS)


def check_group(config: Config) -> None:
    """Checks that no sink of another hub reads these commands in this consumer group. Raises Unreachable while one does."""
    hub = config.hub.iot_hub
    if hub is not None:
        for other in other_hubs.intruders(_members(config), hub, set(config.sink.topics)):
            raise Unreachable(other_hubs.words(config.sink.group_id, other))


def must_leave_group(config: Config, *, holds: bool) -> str | None:
    """Returns why this member of the group must leave it, if it must; None also if the cluster does not tell. `holds`: whether
    it has partitions."""
    hub = config.hub.iot_hub
    other = hub and other_hubs.must_leave(_members(config), hub, set(config.sink.topics), holds=holds)
    return other_hubs.words(config.sink.group_id, other) if other else None


def _members(config: Config) -> list[Reader]:
    try:
        admin = new_admin({**settings(config.kafka), "log_level": 0}, error_cb=lambda _: None)
    except Unreachable:  # the machine has no room for one more client now
        return []
    return readers(admin, config.sink.group_id, GROUP_SECONDS)
