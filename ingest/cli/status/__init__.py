"""`ingest status`: shows what a running ingest does, from its metrics port."""

import argparse

from ingest.cli.parsers import Commands, add_command


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "status",
        "Show what a running ingest does, and what limits it now.",
        "A table that follows, from the metrics port; plain text and only once when stdout is no terminal. Several nodes\n"
        "are in one table. Exits with 69 when one does not answer. A browser shows the same at the port's address.",
        "ingest status --once --json",
        run,
    )
    parser.fill = _fill


def _fill(parser: argparse.ArgumentParser) -> None:
    from ingest.cli.status.command import add_arguments

    add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command. Raises Unreachable if the port does not answer."""
    from ingest.cli.status import command

    return command.run(args.urls, everyone=args.everyone, interval=args.interval, once=args.once, as_json=args.as_json)
