"""`ingest replay`: brings the events of a stretch of time from the hub into a topic again."""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from ingest.cli.beside import add_consumer_group, add_partitions, check_stretch, consumer_group_of, partitions_of
from ingest.cli.moments import milliseconds
from ingest.cli.options import positive_number
from ingest.cli.parsers import Commands, add_command, add_config, add_json, load_config
from ingest.errors import EXIT_CRASH, EXIT_INTERRUPTED, EXIT_OK, IngestError
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.config import Config
    from ingest.replay.replay import Tally

PROGRESS_SECONDS = 1.0


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "replay",
        "Bring events that the hub still holds into a topic again.",
        "Reads the events of a stretch of time from the hub, and writes them to --topic in source.format. It takes no partition\n"
        "from anybody and moves no position: a running ingest goes on beside it. For that it needs a consumer group of the hub\n"
        "that nobody else reads. When it is stopped it says how to go on: with --after for each partition. The exit code is 1\n"
        "if an event is refused.",
        "ingest replay -c ingest.toml --from 2026-11-26T08:00Z --to 2026-11-26T09:00Z --topic iotin.again",
        run,
    )
    option = parser.add_argument
    option("--from", required=True, type=milliseconds, dest="from_ms", metavar="TIME", help="the first time, RFC 3339")
    option("--to", required=True, type=milliseconds, dest="to_ms", metavar="TIME", help="the end, not included")
    option("--topic", required=True, metavar="TOPIC", help="the topic to write to; it must exist")
    add_partitions(parser)
    option("--rate", type=positive_number, metavar="N", help="events per second, at most (default: no limit)")
    option(
        "--after",
        action="append",
        default=[],
        type=_position,
        metavar="P=N",
        help="go on with partition P behind sequence number N; can be repeated",
    )
    add_consumer_group(parser)
    option("--yes", action="store_true", help="also into source.topic, where consumers see the events a second time")
    add_json(parser)
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command. Raises ConfigError, Refused or Unreachable."""
    check_stretch(args)
    config = load_config(args, "source")
    _check_topic(config, args)
    from dataclasses import replace

    from ingest.replay.replay import Plan, Replay, Tally
    from ingest.source.endpoint import settled_here

    config = settled_here(config)
    partitions = partitions_of(args, config)
    config = replace(config, source=replace(config.source, consumer_group=consumer_group_of(args, config)))
    plan, tally = Plan(args.topic, args.from_ms, args.to_ms, partitions, dict(args.after), args.rate), Tally()
    try:
        Replay(config, plan, tally).run(_Progress())
    except KeyboardInterrupt:
        _show(tally, args)
        return EXIT_INTERRUPTED
    except IngestError:
        _show(tally, args)
        raise
    _show(tally, args)
    return EXIT_CRASH if tally.refused else EXIT_OK


def _check_topic(config: "Config", args: argparse.Namespace) -> None:
    """Ends the program if telemetry must not go there."""
    topic = args.topic
    if topic == config.source.topic and not args.yes:
        args.parser.error(
            f"--topic {topic} is source.topic, whose consumers would see the events a second time: name another topic, or "
            "add --yes"
        )
    for key, taken in (
        ("source.dead_letter_topic", (config.source.dead_letter_topic,)),
        ("sink.topics", config.sink.topics),
        ("sink.dead_letter_topic", (config.sink.dead_letter_topic,)),
        ("sink.feedback_topic", (config.sink.feedback_topic,)),
    ):
        if topic in taken:
            args.parser.error(f"--topic {topic} is in {key}, where telemetry does not belong: name another topic")


class _Progress:
    """Prints a line to stderr for each second of a run."""

    def __init__(self) -> None:
        self._due = time.monotonic() + PROGRESS_SECONDS

    def __call__(self, tally: "Tally") -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PROGRESS_SECONDS
            print(f"{tally.total} events sent", file=sys.stderr, flush=True)


def _show(tally: "Tally", args: argparse.Namespace) -> None:
    from ingest.hub.partition_ids import in_order

    unfinished = {partition: number for partition, number in tally.reached.items() if partition not in tally.complete}
    if args.as_json:
        print(
            json.dumps(
                {
                    "topic": args.topic,
                    "sent": tally.total,
                    "refused": dict(tally.refused),
                    "partitions": {
                        partition: {
                            "sent": tally.sent[partition],
                            "reached": tally.reached.get(partition),
                            "complete": partition in tally.complete,
                            "oldest_held": tally.gone.get(partition),
                        }
                        for partition in sorted({*tally.sent, *tally.reached, *tally.complete})
                    },
                }
            )
        )
        return
    print(f"{tally.total} events sent to {args.topic}")
    for partition in in_order({*tally.sent, *tally.complete}):
        print(printable(f"  partition {partition}: {tally.sent[partition]}"))
    for partition, oldest in tally.gone.items():
        print(printable(f"  partition {partition}: the hub holds nothing older than sequence number {oldest} any more"))
    for code, sentence in tally.sentences.items():
        print(printable(f"{tally.refused[code]} refused ({code}), the first: {sentence}"))
    if unfinished:
        again = " ".join(f"--after {partition}={number}" for partition, number in unfinished.items())
        done = ", ".join(sorted(tally.complete)) or "none"
        print(printable(f"Not finished (finished partitions: {done}). To go on, add: {again}"))


def _position(text: str) -> tuple[str, int]:
    partition, _, number = text.partition("=")
    if not partition or not number.isascii() or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not PARTITION=SEQUENCE_NUMBER, such as 3=81250")
    return partition, int(number)
