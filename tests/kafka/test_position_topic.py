import re
import uuid

import pytest

from ingest.config import Kafka
from ingest.errors import Refused
from ingest.kafka.admin import Topics, TopicSpec, create_topics
from ingest.kafka.client import settings
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.position_topic import SETTINGS, Room, make_room, needed, number_of, position_topic
from tests.services.kafka import KafkaCluster


def test_each_of_the_hubs_partitions_has_one_of_its_own() -> None:
    assert needed(["0", "1", "2", "3"]) == 4
    assert needed(["7"]) == 8, "those of a list keep their numbers"
    assert needed([]) == 1
    assert number_of("12") == 12
    for odd in ("", "a", "-1", "٣", "1.0"):
        with pytest.raises(Refused, match="is no number"):
            number_of(odd)


def test_it_is_compacted_and_keeps_nothing_open_for_long() -> None:
    spec = position_topic("positions", 32, 3)
    assert (spec.name, spec.partitions, spec.replication_factor) == ("positions", 32, 3)
    assert spec.config["cleanup.policy"] == "compact"


def test_a_topic_that_is_too_small_is_refused_with_the_fix(cluster: MockCluster) -> None:
    kafka = Kafka(bootstrap_servers=cluster.bootstrap)
    cluster.create_topic("positions", 2)
    assert make_room(kafka, "positions", 2, 5) == Room(2)
    wrong = make_room(kafka, "positions", 4, 5, grows=False).wrong
    assert re.search(r"has 2 partitions, and the hub's partitions need 4.*--alter .*--partitions 4", wrong or "")
    with pytest.raises(Refused, match="does not exist"):
        make_room(kafka, "missing", 4, 1)


def test_a_topic_that_keeps_positions_for_a_time_only_is_told_with_the_fix(
    kafka: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = f"positions-{uuid.uuid4().hex[:8]}", f"others-{uuid.uuid4().hex[:8]}"
    create_topics(kafka.bootstrap, {}, [position_topic(ours, 2, 1), TopicSpec(theirs, 2, 1)], 60)
    assert make_room(Kafka(kafka.bootstrap), ours, 2, 30) == Room(2)
    assert not caplog.messages
    assert make_room(Kafka(kafka.bootstrap), theirs, 2, 30) == Room(2)
    assert caplog.messages == [
        f"The topic {theirs}: cleanup.policy is delete: Kafka deletes the position of a partition that is quiet for long. Change "
        f"it: kafka-configs.sh --alter --entity-type topics --entity-name {theirs} --add-config cleanup.policy=compact"
    ]


def test_it_grows_with_the_hub_if_it_is_ours_and_may(kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = f"positions-{uuid.uuid4().hex[:8]}", f"others-{uuid.uuid4().hex[:8]}"
    create_topics(kafka.bootstrap, {}, [position_topic(ours, 2, 1), TopicSpec(theirs, 2, 1)], 60)
    here = Kafka(kafka.bootstrap)
    assert make_room(here, ours, 4, 30) == Room(4)
    wrong = make_room(here, theirs, 4, 30).wrong
    # Others' records would move, as their keys choose the partition.
    assert "is not known to be compacted, so ingest does not change it; " in (wrong or "")
    topics = Topics(settings(here))
    assert (topics.describe(ours, 30), topics.describe(theirs, 30)) == (4, 2)
    assert topics.setting(ours, "cleanup.policy", 30) == SETTINGS["cleanup.policy"]
    topics.grow(ours, 4, 30)  # as if another node had been faster

    def refuse(*_: object) -> None:
        raise Refused("topic 'p' was not given more partitions: not authorized.")

    monkeypatch.setattr(Topics, "grow", refuse)
    assert (make_room(here, ours, 5, 30).wrong or "").startswith(
        "topic 'p' was not given more partitions: not authorized; "
    )
