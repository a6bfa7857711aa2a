"""`ingest redrive`: sends dead letters back to where they came from, once their cause is fixed."""

import argparse
import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from ingest.cli.options import positive_number
from ingest.cli.parsers import Commands, add_command, add_config, add_json, load_config
from ingest.errors import EXIT_CRASH, EXIT_OK, Undeliverable
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.config import Config
    from ingest.kafka.dead_letters.redrive import Restore, Tally
    from ingest.kafka.dead_letters.restore import Again, Letter

PROGRESS_SECONDS = 1.0


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "redrive",
        "Send dead letters again, to the topics that they came from or were meant for.",
        "Reads the dead-letter topic from the end of the last run to its present end. Every record is redriven once:\n"
        "a run with --reason leaves the others where they are and keeps a position of its own (consumer group\n"
        "ingest-redrive-TOPIC-REASON); a run without it takes all that are left (ingest-redrive-TOPIC). After a kill up to\n"
        "500 are sent again. Commands get back key, value and headers; events go to source.topic in source.format; the\n"
        "header ingest-redriven counts. A body that was too large for the dead-letter topic is read again from its source.\n"
        "The exit code is 1 if a record is refused.",
        "ingest redrive -c ingest.toml --from iotout.dead --reason device_not_found --dry-run",
        lambda args: run(load_config(args, "topics"), args),
    )
    add_config(parser)
    add = parser.add_argument
    add("--from", required=True, dest="topic", metavar="TOPIC", help="dead-letter topic, such as iotout.dead")
    add("--reason", metavar="R", help="only records with this ingest-reason (default: all)")
    add("--all", action="store_true", dest="start_over", help="also those that were redriven before")
    add("--dry-run", action="store_true", help="only show what would be done")
    add(
        "--consumer-group",
        metavar="G",
        help="consumer group for reading events from the hub again (default: the source's)",
    )
    add("--rate", type=positive_number, metavar="N", help="records per second, at most (default: no limit)")
    add_json(parser)


def run(config: "Config", args: argparse.Namespace) -> int:
    """Prints a summary, or one line of JSON. Returns 1 if a record is refused. Raises Refused or Unreachable."""
    from ingest.kafka.dead_letters.redrive import Redrive

    topic, reason, dry_run = args.topic, args.reason, args.dry_run
    redrive = Redrive(
        config.kafka,
        topic,
        reason=reason,
        start_over=args.start_over,
        dry_run=dry_run,
        rate=args.rate,
        restore=_restore(config, args.consumer_group),
    )
    tally = redrive.run(_Progress(topic))
    if args.as_json:
        print(json.dumps(_as_json(tally, topic, reason, dry_run)))
    else:
        _show(tally, topic, reason, dry_run)
    return EXIT_CRASH if tally.refused else EXIT_OK


def _restore(config: "Config", consumer_group: str | None) -> "Restore":
    """Returns how letters of events and of feedback, which came from a hub, are restored."""
    from ingest.kafka.dead_letters.restore import NOW, Again, first, is_omitted
    from ingest.source.delivery.redriven import RestoredEvents

    event_of = RestoredEvents(config, consumer_group)

    def restore(letter: "Letter") -> "Again":
        hub = first(letter.headers, "ingest-hub")
        if hub is None:
            return event_of(letter)
        if is_omitted(letter.headers):
            raise Undeliverable(
                "gone", f"its body was too large for the dead-letter topic, and {hub} keeps no feedback"
            )
        return Again(config.sink.feedback_topic, letter.key, letter.value, list(letter.headers), NOW)

    return restore


class _Progress:
    """Prints a line to stderr for each second of a run."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._due = time.monotonic() + PROGRESS_SECONDS

    def __call__(self, tally: "Tally") -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PROGRESS_SECONDS
            print(f"{self._topic}: {tally.read} of {tally.total} read, {tally.sent} sent", file=sys.stderr)


def _as_json(tally: "Tally", topic: str, reason: str | None, dry_run: bool) -> dict[str, object]:
    return {
        "topic": topic,
        "reason": reason,
        "dryRun": dry_run,
        "read": tally.read,
        "matched": tally.matched,
        "sent": tally.sent,
        "redrivenBefore": tally.before,
        "skipped": dict(tally.skipped),
        "refused": dict(tally.refused),
    }


def _show(tally: "Tally", topic: str, reason: str | None, dry_run: bool) -> None:
    would = tally.matched - tally.refused.total()
    print(f"read      {tally.read}")
    print(f"matched   {tally.matched}")
    print(f"would send {would}" if dry_run else f"sent      {tally.sent}")
    if tally.before:
        print(f"redriven before, by runs with --reason: {tally.before}")
    _show_counts("skipped", tally.skipped)
    if tally.skipped:
        print(
            f"  They stay: redrive them with their own --reason, or without --reason; {reason} is not sent again then."
        )
    _show_counts("refused", tally.refused)
    for code, sentence in tally.sentences.items():
        print(f"  {code}, the first: {printable(sentence)}")
    if not tally.read:
        print(f"Nothing is new in {topic}; --all begins at its beginning.")


def _show_counts(name: str, counts: Counter[str]) -> None:
    if counts:
        print(f"{name:<10}{counts.total()} ({', '.join(f'{count} {key}' for key, count in counts.most_common())})")
