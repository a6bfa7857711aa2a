"""What the parsers of all commands have in common. A command's file has `add`, which makes its parser and says what it runs."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ingest.config import Command, Config

Handler = Callable[[argparse.Namespace], int]
"""Runs the command; returns its exit code."""


class CommandParser(argparse.ArgumentParser):
    """Has some of its options only once its command is the one that was chosen: those that take imports to know."""

    fill: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(  # type: ignore[override]  # of typeshed's overloads this one covers all
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
    """`more` is what its help says besides the summary; without a handler it has actions."""
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
        help="overrides the file and the environment (INGEST__SECTION__KEY); may be repeated; not for secrets",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON instead of text")


def load_config(args: argparse.Namespace, command: "Command") -> "Config":
    """From the file, the environment and the options of `add_config`. Raises ConfigError."""
    from ingest.config import load

    return load(args.config, environ=os.environ, overrides=args.overrides, for_command=command)
