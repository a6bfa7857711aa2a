"""`ingest run`, `ingest source` and `ingest sink`: the service."""

import argparse
from functools import partial
from typing import TYPE_CHECKING

from ingest.cli.parsers import Commands, add_command, add_config, load_config

if TYPE_CHECKING:
    from ingest.config import Command

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
            "was received, sends are waited for, positions are written. SIGHUP reads the configuration again. Metrics\n"
            "and health are served on [metrics] host and port.",
            f"ingest {name} -c ingest.toml --set service.log_level=debug",
            partial(run, command=name),
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


def run(args: argparse.Namespace, command: "Command") -> int:
    from ingest.config import directions

    config = load_config(args, command)
    from ingest.service.run import run as run_service

    return run_service(config, roles=directions(config, command), reload=partial(load_config, args, command))
