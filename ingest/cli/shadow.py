"""`ingest shadow`: compares the old connector's topic with ours, event by event."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from ingest.cli.moments import moment
from ingest.cli.options import positive, positive_number
from ingest.cli.parsers import Commands, add_command, add_config, add_json, load_config
from ingest.errors import EXIT_CRASH, EXIT_OK
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.shadow.comparison import Progress


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "shadow",
        "Compare the topic of the old connector with ours.",
        "Reads both while both are being written, finds the two records of each event, and shows what is missing, extra, or\n"
        "differs in which field. Reads every form of record: those of the old connector and all of source.format.\n"
        "It writes nothing and uses no consumer group. The exit code is 0 if both topics say the same, 1 if not.",
        "ingest shadow -c ingest.toml --topic-old iotin --topic-new iotin.new --seconds 600",
        run,
    )
    parser.add_argument("--topic-old", required=True, metavar="TOPIC", help="topic of the old connector")
    parser.add_argument("--topic-new", required=True, metavar="TOPIC", help="topic of ingest")
    parser.add_argument(
        "--seconds", type=positive_number, default=600.0, metavar="S", help="how long to read both (default: 600)"
    )
    parser.add_argument(
        "--grace",
        type=positive_number,
        default=60.0,
        metavar="S",
        help="how long to wait then for an event that one of them lacks (default: 60)",
    )
    parser.add_argument(
        "--from",
        type=moment,
        dest="since",
        metavar="TIME",
        help="compare events that the hub received since this RFC 3339 time (default: from now on)",
    )
    parser.add_argument(
        "--examples", type=positive, default=5, metavar="N", help="how many of each kind to show (default: 5)"
    )
    add_json(parser)
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command. Raises ConfigError, Refused or Unreachable."""
    if args.topic_old == args.topic_new:
        args.parser.error(f"--topic-old and --topic-new are both {args.topic_old}: name two topics")
    config = load_config(args, "topics")
    from ingest.shadow.comparison import Plan, compare
    from ingest.shadow.schemas import schemas

    plan = Plan(
        {"old": args.topic_old, "new": args.topic_new},
        args.seconds,
        args.grace,
        None if args.since is None else int(args.since.timestamp() * 1000),
        args.examples,
    )
    report = compare(config.kafka, plan, schemas(config.kafka.schema_registry), progress=_say)
    if args.as_json:
        print(json.dumps(report.as_json()))
    else:
        for line in report.as_text():
            print(printable(line))
    return EXIT_OK if report.is_equal else EXIT_CRASH


def _say(progress: "Progress") -> None:
    print(
        f"{progress.elapsed:.0f} s: {progress.equal} equal, {progress.differing} differing, {progress.unmatched} waiting for "
        "the other topic",
        file=sys.stderr,
        flush=True,
    )
