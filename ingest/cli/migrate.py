"""`ingest migrate`: turns the old Kafka Connect connector's files into a configuration, and its positions into checkpoints."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli.parsers import Commands, add_command, add_config, load_config
from ingest.errors import EXIT_OK, EXIT_USAGE, Refused
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.migrate.connect_files import SavedAt
    from ingest.migrate.positions import Owner
    from ingest.migrate.take_over import Move


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "migrate",
        "Take over from the Kafka Connect connector of HDInsight.",
        "Reads its files as they are and prints them as TOML, with a comment for each property that has no meaning here.\n"
        "A secret is never printed: --write puts each into a file of its own, which only this user can read.\n"
        "With --apply, the positions that the connector has saved become checkpoints, so that nothing is lost or repeated;\n"
        "stop the connector first. The consumer group of its sink goes on by itself, as sink.group_id.\n"
        "-c, the environment and --set win over the files.",
        "ingest migrate connect-standalone.properties connect-iothub-source.properties connect-iothub-sink.properties",
        run,
    )
    add_files(parser)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the TOML here, and the secrets beside it")
    parser.add_argument("--apply", action="store_true", help="take over the saved positions")
    parser.add_argument("--back", action="store_true", help="with --apply: move checkpoints back, too")
    parser.add_argument("--dry-run", action="store_true", help="with --apply: only say what would be done")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--offsets-file", type=Path, metavar="FILE", help="the standalone worker's offset file")
    where.add_argument("--offsets-topic", metavar="TOPIC", help="the distributed workers' offset topic")
    parser.add_argument(
        "--json", action="store_true", dest="as_json", help="with --apply: one line of JSON instead of text"
    )
    add_config(parser)


def add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("worker", type=Path, metavar="WORKER", help="connect-standalone.properties or -distributed")
    parser.add_argument(
        "connectors",
        type=Path,
        nargs="+",
        metavar="CONNECTOR",
        help="connect-iothub-source.properties, …-sink.properties",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command. Raises ConfigError with every problem, Refused or Unreachable."""
    for option in ("back", "dry_run", "as_json", "offsets_file", "offsets_topic"):
        if getattr(args, option) and not args.apply:
            args.parser.error(f"--{option.removeprefix('as_').replace('_', '-')} goes with --apply")
    from ingest.migrate.connect_files import load
    from ingest.migrate.rendering import render
    from ingest.migrate.writing import write

    translation, saved = load(args.worker, args.connectors, os.environ)
    config = load_config(args, "check-config", translation.below())
    rendered = render(translation, [path.name for path in (args.worker, *args.connectors)])
    if args.write is not None:
        for path in write(rendered, args.write):
            print(printable(f"wrote {path}"), file=sys.stderr)
    if not args.apply:
        if args.write is None:
            print(rendered.toml, end="")
        return EXIT_OK
    from ingest.migrate.connect_files import SavedAt
    from ingest.migrate.positions import Owner
    from ingest.migrate.take_over import apply, plan, saved_positions, store_of

    if args.offsets_file is not None or args.offsets_topic is not None:
        saved = SavedAt(args.offsets_file, args.offsets_topic, saved.wrapped)
    if not translation.event_hub:
        raise Refused("there is no file of a source connector, whose positions would be taken over: name it, too")
    owner = Owner(translation.connector, translation.event_hub)
    found = saved_positions(config, saved, owner)
    if not found.offsets:
        raise Refused(_nothing_found(saved, owner, found.others))
    store = store_of(config)
    try:
        if not args.dry_run:
            store.check()
        moves = plan(found.offsets, store.load_all())
        refused = [] if args.back else [move for move in moves if move.outcome in ("ahead", "unclear")]
        wanted = [move for move in moves if move.outcome != "same"]
        done = not args.dry_run and not refused
        if done:
            apply(store, wanted)
    finally:
        store.close()
    _show(moves, done=done, as_json=args.as_json)
    if refused:
        print(
            "Nothing was changed, as some checkpoints would move back and their events would come again: repeat this with "
            "--back if that is wanted.",
            file=sys.stderr,
        )
    return EXIT_USAGE if refused else EXIT_OK


def _nothing_found(saved: "SavedAt", owner: "Owner", others: "Sequence[Owner]") -> str:
    seen = "".join(f"; those of connector {each.connector} for {each.event_hub} are there" for each in others)
    return (
        f"{saved.file or saved.topic} has no positions of connector {owner.connector} for {owner.event_hub}{seen}: correct the "
        "name, or start without them, at source.start"
    )


def _show(moves: "Sequence[Move]", *, done: bool, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "partition": move.checkpoint.partition,
                "offset": move.checkpoint.offset,
                "checkpoint": move.found.offset if move.found else None,
                "outcome": move.outcome,
            }
            for move in moves
        ]
        print(json.dumps({"applied": done, "positions": rows}))
        return
    for move in moves:
        print(printable(f"partition {move.checkpoint.partition}: {_sentence(move, done)}"))


def _sentence(move: "Move", done: bool) -> str:
    offset = move.checkpoint.offset
    begins = "at its oldest event" if offset == "-1" else f"after {offset}"
    there = move.found.offset or f"sequence number {move.found.sequence_number}" if move.found else "nothing"
    if move.outcome == "same":
        return f"the checkpoint is at {offset} already"
    if done:
        return f"begins {begins}; the checkpoint was at {there}"
    match move.outcome:
        case "save":
            return f"would begin {begins}; the checkpoint is at {there}"
        case "ahead":
            return f"the checkpoint is at {there}, and {offset} is before it"
        case _:
            return f"the checkpoint is at {there}, and whether {offset} is before it cannot be told"
