"""`ingest topics create`: the Kafka topics that the configuration names."""

import argparse
import json
from typing import TYPE_CHECKING

from ingest.cli.options import positive
from ingest.cli.parsers import Commands, add_command, add_config, add_json, load_config
from ingest.errors import EXIT_OK

if TYPE_CHECKING:
    from ingest.config import Config
    from ingest.kafka.admin import TopicSpec


def add(commands: Commands) -> None:
    group = add_command(
        commands,
        "topics",
        "Create the Kafka topics that the configuration names.",
        "Topics that exist are left as they are.",
        "ingest topics create -c ingest.toml",
        None,
    )
    parser = add_command(
        group.add_subparsers(title="actions", metavar="ACTION"),
        "create",
        "Create the missing topics.",
        "Those of the source if hub.event_hub_connection_string is given, those of the sink if\n"
        "hub.iot_hub_connection_string is given, and all if neither is. Topics for dead letters get one partition. Topics\n"
        "that exist are left as they are. Azure Event Hubs creates none for Kafka clients: there it says what is missing.",
        "ingest topics create -c ingest.toml --partitions 8 --replication 3",
        _create,
    )
    add_config(parser)
    parser.add_argument("--partitions", type=positive, default=4, metavar="N", help="partitions per topic (default: 4)")
    parser.add_argument(
        "--replication",
        "--replication-factor",
        dest="replication_factor",
        type=positive,
        default=-1,
        metavar="R",
        help="copies of each partition (default: the broker's own default)",
    )
    add_json(parser)


def _create(args: argparse.Namespace) -> int:
    config = load_config(args, "topics")
    return create(config, partitions=args.partitions, replication_factor=args.replication_factor, as_json=args.as_json)


_TIMEOUT_SECONDS = 30.0


def create(config: "Config", *, partitions: int, replication_factor: int, as_json: bool) -> int:
    """Creates missing topics and prints one line per topic, or one JSON list. Raises Refused or Unreachable; Refused also
    if something is missing in Event Hubs, which creates none for Kafka clients."""
    from ingest.kafka.admin import create_topics, existing_topics
    from ingest.kafka.client import settings

    specs, kafka = wanted_topics(config, partitions, replication_factor), config.kafka
    if kafka.kind == "event_hubs":
        results = existing_topics(kafka, [spec.name for spec in specs], _TIMEOUT_SECONDS)
    else:
        results = create_topics(kafka.bootstrap_servers, settings(kafka), specs, _TIMEOUT_SECONDS)
    if as_json:
        rows = [{"topic": topic.name, "outcome": topic.outcome, "partitions": topic.partitions} for topic in results]
        print(json.dumps(rows))
    else:
        for topic in results:
            print(f"{topic.outcome:<9}{topic.name} ({topic.partitions} partition{'s' * (topic.partitions != 1)})")
    return EXIT_OK


def wanted_topics(config: "Config", partitions: int, replication_factor: int) -> "list[TopicSpec]":
    """Returns the topics of the configured directions, of both if none is. Dead letters are rare and get one partition."""
    from ingest.config import directions
    from ingest.kafka.admin import TopicSpec
    from ingest.kafka.topics_in_use import topics_in_use

    rare = {config.source.dead_letter_topic, config.sink.dead_letter_topic}
    wanted = topics_in_use(config, directions(config) or ("source", "sink"))
    return [TopicSpec(name, 1 if name in rare else partitions, replication_factor) for name in wanted]
