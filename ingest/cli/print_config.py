"""`ingest print-config`: an example of the configuration, or the one in force."""

import argparse

from ingest.cli.parsers import Commands, add_command, add_config, load_config
from ingest.errors import EXIT_OK


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "print-config",
        "Print an example of the configuration, or the one in force.",
        "Both are TOML. Secrets are shown as ***.",
        "ingest print-config --example > ingest.toml",
        run,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--example", action="store_true", help="every key with its meaning and default")
    which.add_argument("--effective", action="store_true", help="file, environment and --set taken together")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    from ingest.config import effective_toml, example_toml

    print(example_toml() if args.example else effective_toml(load_config(args, "print-config")), end="")
    return EXIT_OK
