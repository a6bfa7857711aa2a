"""The common parts of the parsers of all commands. A command's file has `add`, which adds its parser and its handler."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ingest.config import Command, Config
    from ingest.config.layers import Below

Handler = Callable[[argparse.Namespace], int]
"""Runs the command; returns its exit code."""


class CommandParser(argparse.ArgumentParser):
    """Adds some options only when its command is the chosen one: those that need imports."""

    fill: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(  # type: ignore[override]  # covers all of typeshed's overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        fill, self.fill = self.fill, None
        if fill is not None:
            fill(self)
        return super().parse_known_args(args, namespace)


Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"


def add_command(
    commands: Commands, name: str, summary: str, more: str, example: str, handler: Handler | None
) -> CommandParser:
    """Adds a command. `more`: its help after the summary. A command without a handler has actions."""
    parser: CommandParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary}\n\n{more}",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler, parser=parser)
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="TOML file; without it, defaults and environment"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="SECTION.KEY=VALUE",
        help="overrides the file and the environment (INGEST__SECTION__KEY); can be repeated; not for secrets",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON instead of text")


def load_config(args: argparse.Namespace, command: "Command", below: "Below | None" = None) -> "Config":
    """Returns the configuration from file, environment and the options of `add_config`, over `below`. Raises ConfigError."""
    from ingest.config import load
    from ingest.config.layers import NOTHING_BELOW

    return load(
        args.config,
        environ=os.environ,
        overrides=args.overrides,
        for_command=command,
        below=below or NOTHING_BELOW,
    )
