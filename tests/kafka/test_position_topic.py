import pytest

from ingest.config import Kafka
from ingest.errors import Refused
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.position_topic import check_position_topic, needed, number_of, position_topic


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
    check_position_topic(kafka, "positions", 2, 5)
    with pytest.raises(Refused, match=r"has 2 partitions, and the hub's partitions need 4.*--alter .*--partitions 4"):
        check_position_topic(kafka, "positions", 4, 5)
