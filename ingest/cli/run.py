"""`ingest run`, `ingest source` and `ingest sink`: the service."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli.parsers import Commands, add_command, add_config, load_config
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.config import Command, Config
    from ingest.migrate.connect_files import SavedAt
    from ingest.migrate.translation import Translation

    Files = tuple[Translation, SavedAt]

_WHAT: dict["Command", str] = {
    "run": "everything that is configured",
    "source": "only the source: telemetry, hub → Kafka",
    "sink": "only the sink: commands, Kafka → devices",
}


def add(commands: Commands) -> None:
    for name, what in _WHAT.items():
        parser = add_command(
            commands,
            name,
            f"Run {what}, until SIGTERM or Ctrl-C.",
            "The source has one process per partition and needs hub.event_hub_connection_string; the sink has\n"
            "sink.processes and needs hub.iot_hub_connection_string. SIGTERM drains: receiving stops, Kafka gets what\n"
            "was received, pending sends are completed, positions are written. SIGHUP reads the configuration again. Metrics\n"
            "and health are served on [metrics] host and port.",
            f"ingest {name} -c ingest.toml --set service.log_level=debug",
            partial(run, command=name),
        )
        parser.add_argument(
            "--connect",
            type=Path,
            nargs="+",
            metavar="FILE",
            help="run on the files of the old Kafka Connect connector: the worker's, then the connectors'; -c, the environment "
            "and --set win over them, and a partition without a checkpoint begins where the old connector ended",
        )
        add_config(parser)
        if name != "sink":
            parser.add_argument(
                "--ignore-legacy-leases",
                action="append_const",
                dest="overrides",
                const="checkpoints.legacy_leases=ignore",
                help="begin at source.start where only an old Event Processor Host or Azure Function left a position",
            )
        if name != "source":
            parser.add_argument(
                "--lenient-expiry",
                action="append_const",
                dest="overrides",
                const="sink.lenient_expiry=true",
                help="send a command whose expiryTime is bad without it, as the old Kafka Connect connector did",
            )


def run(args: argparse.Namespace, command: "Command") -> int:
    from ingest.config import directions

    if args.connect is not None and len(args.connect) < 2:
        args.parser.error("--connect expects the worker's file, and the file of one connector or of both")
    files = _read(args)
    config = _load(args, command, files)
    if files is not None and "source" in directions(config, command):
        _take_over(config, *files)
    from ingest.service.run import run as run_service

    return run_service(config, roles=directions(config, command), reload=lambda: _load(args, command, _read(args)))


def _read(args: argparse.Namespace) -> "Files | None":
    """What the files of --connect say now; None without it."""
    if args.connect is None:
        return None
    from ingest.migrate.connect_files import load

    return load(args.connect[0], args.connect[1:], os.environ)


def _load(args: argparse.Namespace, command: "Command", files: "Files | None") -> "Config":
    from ingest.hub.auth import entra

    config = load_config(args, command, None if files is None else files[0].below())
    entra.check(config)
    return config


def _take_over(config: "Config", translation: "Translation", saved: "SavedAt") -> None:
    """Turns the old connector's positions into checkpoints where there are none."""
    from ingest.migrate.positions import Owner
    from ingest.migrate.take_over import take_over_missing

    if not translation.event_hub:
        return
    for move in take_over_missing(config, saved, Owner(translation.connector, translation.event_hub)):
        partition, offset = move.checkpoint.partition, move.checkpoint.offset
        print(printable(f"partition {partition} goes on after the old connector's offset {offset}"), file=sys.stderr)
