from dataclasses import replace

import pytest

from ingest.cli.main import main
from ingest.cli.topics import create, wanted_topics
from ingest.config import Config, Hub, Kafka, Secret, Source
from ingest.errors import EXIT_OK, Refused, Unreachable
from ingest.hub import event_hubs
from ingest.kafka import admin
from ingest.kafka import position_topic as position_topics
from ingest.kafka.admin import TopicResult, Topics, TopicSpec
from ingest.kafka.position_topic import position_topic
from tests.config.samples import EVENT_HUB, NAMESPACE


def test_the_source_alone() -> None:
    config = Config()
    config = replace(config, hub=replace(config.hub, event_hub_connection_string=Secret("x")))
    assert wanted_topics(config, 12, 3) == [TopicSpec("iotin", 12, 3), TopicSpec("iotin.dead", 1, 3)]


def test_both_directions_where_no_hub_is_given_yet() -> None:
    assert wanted_topics(Config(), 8, 3) == [
        TopicSpec("iotin", 8, 3),
        TopicSpec("iotin.dead", 1, 3),
        TopicSpec("iotout", 8, 3),
        TopicSpec("iotout.dead", 1, 3),
    ]


@pytest.mark.parametrize("option", ["--replication", "--replication-factor"])
def test_the_command_of_the_how_to(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[TopicSpec]] = []

    def create_topics(servers: str, settings: object, specs: list[TopicSpec], seconds: float) -> list[TopicResult]:
        made.append(specs)
        return []

    monkeypatch.setattr(admin, "create_topics", create_topics)
    assert main(["topics", "create", "--partitions", "8", option, "3"]) == EXIT_OK
    assert made == [wanted_topics(Config(), 8, 3)]


def test_the_sink_where_it_is_configured() -> None:
    config = Config()
    config = replace(config, hub=replace(config.hub, iot_hub_connection_string=Secret("x")))
    assert [spec.name for spec in wanted_topics(config, 4, -1)] == ["iotout", "iotout.dead"], "commands alone"
    both = replace(config, hub=replace(config.hub, event_hub_connection_string=Secret("x")))
    names = [spec.name for spec in wanted_topics(both, 4, -1)]
    assert names == ["iotin", "iotin.dead", "iotout", "iotout.dead"]
    with_feedback = replace(config, sink=replace(config.sink, ack="full"))
    assert wanted_topics(with_feedback, 4, -1)[-1] == TopicSpec("iotfeedback", 4, -1)


def test_event_hubs_creates_none_and_says_which_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {"iotin": 32, "iotin.dead": 1}
    monkeypatch.setattr(Topics, "partitions", lambda *_: there)
    kafka = Kafka("plant.servicebus.windows.net:9093", "event_hubs", Secret(NAMESPACE))
    config = Config(hub=Hub(event_hub_connection_string=Secret(EVENT_HUB)), kafka=kafka)
    assert create(config, partitions=4, replication_factor=-1, as_json=False) == EXIT_OK
    assert "exists   iotin (32 partitions)" in capsys.readouterr().out
    del there["iotin.dead"]
    with pytest.raises(Refused, match=r"do not exist: iotin\.dead: .*create an event hub of each name"):
        create(config, partitions=4, replication_factor=-1, as_json=False)


EXACTLY_ONCE = replace(
    Config(hub=Hub(event_hub_connection_string=Secret(EVENT_HUB))), source=Source(delivery="exactly_once")
)


def test_the_topic_of_positions_has_the_hubs_number_of_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[TopicSpec] = []

    def create_topics(servers: str, settings: object, specs: list[TopicSpec], seconds: float) -> list[TopicResult]:
        made.extend(specs)
        return [TopicResult(spec.name, "created", spec.partitions) for spec in specs]

    monkeypatch.setattr(admin, "create_topics", create_topics)
    monkeypatch.setattr(event_hubs, "partition_ids", lambda config: [str(number) for number in range(32)])
    assert create(EXACTLY_ONCE, partitions=8, replication_factor=3, as_json=False) == EXIT_OK
    assert made[2] == position_topic("ingest-positions", 32, 3)
    assert [spec.name for spec in made] == ["iotin", "iotin.dead", "ingest-positions"]


def test_a_hub_that_does_not_answer_can_be_told_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(config: Config) -> list[str]:
        raise Unreachable("no route to host.")

    monkeypatch.setattr(event_hubs, "partition_ids", away)
    with pytest.raises(Unreachable, match=r"no route to host; or give .* --hub-partitions"):
        create(EXACTLY_ONCE, partitions=4, replication_factor=-1, as_json=False)
    monkeypatch.setattr(admin, "create_topics", lambda *_: [TopicResult("ingest-positions", "exists", 4)])
    assert create(EXACTLY_ONCE, partitions=4, replication_factor=-1, as_json=False, hub_partitions=4) == EXIT_OK


def test_the_topic_of_positions_grows_with_the_hub(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(admin, "create_topics", lambda *_: [TopicResult("ingest-positions", "exists", 4)])
    monkeypatch.setattr(position_topics, "make_room", lambda *_, **__: position_topics.Room(8))
    assert create(EXACTLY_ONCE, partitions=4, replication_factor=-1, as_json=False, hub_partitions=8) == EXIT_OK
    assert capsys.readouterr().out == "grown    ingest-positions (8 partitions)\n"
    monkeypatch.setattr(
        position_topics, "make_room", lambda *_, **__: position_topics.Room(4, "it has 4 partitions: fix")
    )
    with pytest.raises(Refused, match="it has 4 partitions: fix"):
        create(EXACTLY_ONCE, partitions=4, replication_factor=-1, as_json=False, hub_partitions=8)
    assert capsys.readouterr().out == "exists   ingest-positions (4 partitions)\n"
