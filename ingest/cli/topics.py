"""`ingest topics create`: the Kafka topics that the configuration names."""

import argparse
import json
from typing import TYPE_CHECKING

from ingest.cli.options import positive
from ingest.cli.parsers import Commands, add_command, add_config, add_json, load_config
from ingest.errors import EXIT_OK

if TYPE_CHECKING:
    from ingest.config import Config
    from ingest.kafka.admin import TopicResult, TopicSpec


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
        "that exist are left as they are. Azure Event Hubs creates none for Kafka clients: there it says what is missing.\n"
        'With source.delivery = "exactly_once" or cluster.coordination also source.position_topic, compacted, with the hub\'s\n'
        "number of partitions; if the hub has got more, that topic is given more, too.",
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
    parser.add_argument(
        "--hub-partitions",
        type=positive,
        metavar="N",
        help="the hub's number of partitions, for source.position_topic (default: the hub is asked)",
    )
    add_json(parser)


def _create(args: argparse.Namespace) -> int:
    config = load_config(args, "topics")
    return create(
        config,
        partitions=args.partitions,
        replication_factor=args.replication_factor,
        as_json=args.as_json,
        hub_partitions=args.hub_partitions,
    )


_TIMEOUT_SECONDS = 30.0


def create(
    config: "Config", *, partitions: int, replication_factor: int, as_json: bool, hub_partitions: int | None = None
) -> int:
    """Creates missing topics and prints one line per topic, or one JSON list. `hub_partitions`: None: the hub is asked, if a
    topic depends on it. Raises Refused or Unreachable; Refused also if something is missing in Event Hubs, which creates none
    for Kafka clients, or if the topic of positions is there with too few partitions and cannot be given more."""
    from ingest.errors import Refused
    from ingest.kafka.admin import create_topics, existing_topics
    from ingest.kafka.client import settings

    keeps_positions = _reads(config) and config.needs_position_topic
    of_hub = hub_partitions or (_hub_partitions(config) if keeps_positions else 1)
    specs, kafka = wanted_topics(config, partitions, replication_factor, of_hub), config.kafka
    if kafka.kind == "event_hubs":
        results = existing_topics(kafka, [spec.name for spec in specs], _TIMEOUT_SECONDS)
    else:
        results = create_topics(kafka.bootstrap_servers, settings(kafka), specs, _TIMEOUT_SECONDS)
    results, wrong = _with_places(config, results, of_hub)
    if as_json:
        rows = [{"topic": topic.name, "outcome": topic.outcome, "partitions": topic.partitions} for topic in results]
        print(json.dumps(rows))
    else:
        for topic in results:
            print(f"{topic.outcome:<9}{topic.name} ({topic.partitions} partition{'s' * (topic.partitions != 1)})")
    if wrong is not None:
        raise Refused(wrong)
    return EXIT_OK


def wanted_topics(
    config: "Config", partitions: int, replication_factor: int, hub_partitions: int = 1
) -> "list[TopicSpec]":
    """Returns the topics of the configured directions, of both if none is. Dead letters are rare and get one partition, the
    topic of positions gets `hub_partitions`."""
    from ingest.config import directions
    from ingest.kafka.admin import TopicSpec
    from ingest.kafka.position_topic import position_topic
    from ingest.kafka.topics_in_use import topics_in_use

    rare = {config.source.dead_letter_topic, config.sink.dead_letter_topic}
    wanted = topics_in_use(config, directions(config) or ("source", "sink"))
    positions = config.source.position_topic if config.needs_position_topic else None
    return [
        position_topic(name, hub_partitions, replication_factor)
        if name == positions
        else TopicSpec(name, 1 if name in rare else partitions, replication_factor)
        for name in wanted
    ]


def _reads(config: "Config") -> bool:
    from ingest.config import directions

    return "source" in (directions(config) or ("source",))


def _hub_partitions(config: "Config") -> int:
    """Returns how many partitions the topic of positions needs. Raises Refused, or Unreachable if the hub does not say."""
    from ingest.errors import Refused, Unreachable
    from ingest.hub import event_hubs
    from ingest.hub.auth.entra import fetch_here
    from ingest.kafka.position_topic import needed
    from ingest.source.endpoint import find

    otherwise = "or give the hub's number of partitions as --hub-partitions"
    if not config.reads_telemetry:
        raise Refused(
            f"{config.source.position_topic} has a partition for each of the hub's, and no hub is configured: write "
            f"hub.event_hub_connection_string, {otherwise}"
        )
    fetch_here(config)
    try:
        return needed(event_hubs.partition_ids(find(config)))
    except (Refused, Unreachable) as error:
        kind = Unreachable if isinstance(error, Unreachable) else Refused
        raise kind(f"the hub does not tell its partitions: {str(error).rstrip('.')}; {otherwise}") from error


def _with_places(config: "Config", results: "list[TopicResult]", of_hub: int) -> "tuple[list[TopicResult], str | None]":
    """Gives the topic of positions a partition for each of the hub's. Returns the results with that, and why it could not."""
    from ingest.kafka.admin import TopicResult
    from ingest.kafka.position_topic import make_room

    positions, wrong = config.source.position_topic if config.needs_position_topic else None, None
    for index, topic in enumerate(results):
        if topic.name == positions and topic.partitions < of_hub:
            grows = config.kafka.kind != "event_hubs"
            wrong = make_room(config.kafka, topic.name, of_hub, _TIMEOUT_SECONDS, grows=grows).wrong
            if wrong is None:
                results[index] = TopicResult(topic.name, "grown", of_hub)
    return results, wrong
