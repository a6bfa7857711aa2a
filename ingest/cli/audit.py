"""`ingest audit`: counts what the hub had, what Kafka has, and what is missing."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from ingest.cli.beside import add_consumer_group, add_partitions, check_stretch, consumer_group_of, partitions_of
from ingest.cli.moments import milliseconds, yesterday
from ingest.cli.options import positive
from ingest.cli.parsers import Commands, add_command, add_config, add_json, load_config
from ingest.errors import EXIT_CRASH, EXIT_OK
from ingest.printable import printable


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "audit",
        "Count what is missing, repeated or out of order in Kafka.",
        "Reads the topic and its dead letters for a stretch of time, and finds for each partition of the hub which sequence\n"
        "numbers are there. Compares that with the hub's own figures, and asks the hub for the ends of the stretch where the\n"
        "topic does not prove them. Reads records of the formats json and raw; those of the others say their partition only\n"
        "where the hub has one. It writes nothing, and takes no partition from anybody. The exit code is 1 if something is\n"
        "missing, or has another content than in the hub.",
        "ingest audit -c ingest.toml --from 2026-11-26T00:00Z --to 2026-11-27T00:00Z",
        run,
    )
    option = parser.add_argument
    option("--from", type=milliseconds, dest="from_ms", metavar="TIME", help="the first time, RFC 3339")
    option(
        "--to", type=milliseconds, dest="to_ms", metavar="TIME", help="the end, not included (default: a minute ago)"
    )
    option("--yesterday", action="store_true", help="the whole day before today, in UTC, instead of --from and --to")
    add_partitions(parser)
    option("--topic", metavar="TOPIC", help="the topic to look into (default: source.topic)")
    option("--refetch", action="store_true", help="read the events from the hub again, and compare their contents")
    add_consumer_group(parser)
    option(
        "--metrics-file",
        type=Path,
        metavar="FILE",
        help="also write the result as metrics into this file, such as one of node_exporter's textfile collector",
    )
    option("--ranges", type=positive, default=20, metavar="N", help="ranges of numbers to list (default: 20)")
    add_json(parser)
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command. Raises ConfigError, Refused or Unreachable."""
    if args.yesterday:
        if args.from_ms is not None or args.to_ms is not None:
            args.parser.error("--yesterday is a stretch of time: leave out --from and --to")
        args.from_ms, args.to_ms = yesterday(datetime.now(UTC))
    if args.from_ms is None:
        args.parser.error("name the first time with --from, or write --yesterday")
    if args.to_ms is None:
        args.to_ms = int(time.time() * 1000) - 60_000
        if args.from_ms >= args.to_ms:
            args.parser.error("--from is later than a minute ago, where the audit ends: name an earlier time")
    check_stretch(args)
    config = load_config(args, "topics")
    from ingest.audit.audit import audit
    from ingest.audit.plan import Plan
    from ingest.shadow.schemas import schemas

    plan = Plan(
        args.topic or config.source.topic,
        args.from_ms,
        args.to_ms,
        partitions_of(args, config),
        consumer_group_of(args, config),
        args.refetch,
        args.ranges,
    )
    report = audit(config, plan, schemas(config.kafka.schema_registry), progress=_say)
    if args.as_json:
        print(json.dumps(report.as_json()))
    else:
        for line in report.as_text():
            print(printable(line))
    if args.metrics_file is not None:
        from ingest.audit.textfile import page, write

        name = "ingest" if args.config is None else args.config.stem
        write(args.metrics_file, page(report, name, time.time()))
    return EXIT_OK if report.is_good else EXIT_CRASH


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr, flush=True)
