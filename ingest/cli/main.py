"""The command line: parses, loads the configuration and hands over. Each command imports its module when it is called.

Results go to stdout, logs and errors to stderr.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli.options import positive
from ingest.config import Command, Config, directions, effective_toml, example_toml, load
from ingest.errors import EXIT_CRASH, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, ConfigError, IngestError
from ingest.extras import require_emulator
from ingest.printable import printable

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_DESCRIPTION = "Moves data between Azure IoT Hub and Apache Kafka, both ways, from an edge node."
_EPILOG = """\
first steps:
  ingest demo                                     everything on this machine, nothing to configure
  ingest print-config --example > ingest.toml     a file with every key, to fill in
  ingest topics create -c ingest.toml
  ingest doctor -c ingest.toml                    does everything answer, and if not, what mends it?
  ingest run -c ingest.toml

exit codes: 0 done, 1 crash or failed, 2 wrong use, 69 a service refuses or does not answer, 78 wrong configuration
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. argparse itself exits with 2 on wrong use."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(arguments).parse_args(arguments)
        if args.version:
            from ingest.cli import version

            return version.run(verbose=args.verbose)
        if args.handler is None:
            args.parser.print_help(sys.stderr)
            return EXIT_USAGE
        code = int(args.handler(args))
        sys.stdout.flush()
        return code
    except ConfigError as error:
        for problem in error.problems:
            print(f"ingest: config: {printable(str(problem))}", file=sys.stderr)
        return error.exit_code
    except IngestError as error:
        print(f"ingest: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CRASH


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Knows the options of the command that was chosen; those of the others where that takes no import."""
    chosen = next((argument for argument in arguments if not argument.startswith("-")), "")
    parser = argparse.ArgumentParser(
        prog="ingest", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--version", action="store_true", help="show the version and exit; with -v, how ingest was built"
    )
    parser.add_argument("-v", dest="verbose", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(handler=None, parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    what_runs: dict[Command, str] = {
        "run": "everything that is configured",
        "source": "only the source: telemetry, hub → Kafka",
        "sink": "only the sink: commands, Kafka → devices",
    }
    for name, roles in what_runs.items():
        running = _add(
            commands,
            name,
            f"Run {roles}, until SIGTERM or Ctrl-C.",
            "The source has one process per partition and needs hub.event_hub_connection_string; the sink has\n"
            "sink.processes and needs hub.iot_hub_connection_string. SIGTERM drains: receiving stops, Kafka gets what\n"
            "was received, sends are waited for, positions are written. SIGHUP reads the configuration again. Metrics\n"
            "and health are served on [metrics] host and port.",
            f"ingest {name} -c ingest.toml --set service.log_level=debug",
            partial(_run, command=name),
        )
        _add_config(running)
        if name != "sink":
            running.add_argument(
                "--ignore-legacy-leases",
                action="append_const",
                dest="overrides",
                const="checkpoints.legacy_leases=ignore",
                help="begin at source.start where only an old Event Processor Host or Azure Function left a position",
            )
    _add_check_config(commands)
    _add_doctor(commands)
    _add_print_config(commands)
    _add_status(commands, chosen)
    _add_checkpoints(commands)
    _add_topics(commands)
    _add_redrive(commands, chosen)
    _add_emulator(commands, chosen)
    _add_demo(commands, chosen)
    return parser


def _add(
    commands: "_Commands",
    name: str,
    summary: str,
    more: str,
    example: str,
    handler: Callable[[argparse.Namespace], int] | None,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary}\n\n{more}",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler, parser=parser)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
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


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON instead of text")


def _add_check_config(commands: "_Commands") -> None:
    parser = _add(
        commands,
        "check-config",
        "Check the configuration and say what it means.",
        "Prints every problem with its key, value and fix, and exits with 78; or ok and a summary.",
        "ingest check-config -c ingest.toml",
        _check_config,
    )
    _add_config(parser)
    parser.add_argument("--connect", action="store_true", help="also try what the source needs; a failure exits 69")


def _add_doctor(commands: "_Commands") -> None:
    parser = _add(
        commands,
        "doctor",
        "Try everything that ingest needs, one line each, with the fix.",
        "Side by side, 5 s for each at the most. Moves nothing, and disturbs no ingest that runs. Exits with 1 when\n"
        "something fails, 78 when the configuration is wrong.",
        "ingest doctor -c ingest.toml",
        _doctor,
    )
    _add_config(parser)
    _add_json(parser)


def _add_print_config(commands: "_Commands") -> None:
    parser = _add(
        commands,
        "print-config",
        "Print an example of the configuration, or the one in force.",
        "Both are TOML. Secrets are shown as ***.",
        "ingest print-config --example > ingest.toml",
        _print_config,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--example", action="store_true", help="every key with its meaning and default")
    which.add_argument("--effective", action="store_true", help="file, environment and --set taken together")
    _add_config(parser)


def _add_status(commands: "_Commands", chosen: str) -> None:
    parser = _add(
        commands,
        "status",
        "Show what a running ingest does, and what limits it now.",
        "A table that follows, from the metrics port; plain text and only once when stdout is no terminal. Exits with\n"
        "69 when nothing answers.",
        "ingest status --once --json",
        _status,
    )
    if chosen == "status":
        from ingest.cli.status.command import add_arguments

        add_arguments(parser)


def _add_checkpoints(commands: "_Commands") -> None:
    group = _add(
        commands,
        "checkpoints",
        "Show or reset where each partition would resume.",
        "A checkpoint is the last event of a partition that is safe in Kafka.",
        "ingest checkpoints show -c ingest.toml",
        None,
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION")
    show = _add(
        actions,
        "show",
        "List the checkpoints.",
        "Reads the store that [checkpoints] names.",
        "ingest checkpoints show -c ingest.toml --json",
        partial(_checkpoints, action="show"),
    )
    reset = _add(
        actions,
        "reset",
        "Delete checkpoints, so that reading begins again at source.start.",
        "Stop ingest first: a running process writes its checkpoint again. Those of Go and Rust processors go, too.\n"
        "Without --yes it only says what it would do, and exits with 2 when there is something to delete.",
        "ingest checkpoints reset -c ingest.toml --partition 3 --yes",
        partial(_checkpoints, action="reset"),
    )
    reset.add_argument("--yes", action="store_true", help="do it")
    for parser in (show, reset):
        _add_config(parser)
        parser.add_argument("--partition", metavar="P", help="this partition alone (default: all)")
        _add_json(parser)


def _add_topics(commands: "_Commands") -> None:
    group = _add(
        commands,
        "topics",
        "Create the Kafka topics that the configuration names.",
        "Topics that exist are left as they are.",
        "ingest topics create -c ingest.toml",
        None,
    )
    create = _add(
        group.add_subparsers(title="actions", metavar="ACTION"),
        "create",
        "Create the missing topics.",
        "Those of the source, and those of the sink when hub.iot_hub_connection_string is given. Topics for dead\n"
        "letters get one partition. Topics that exist are left as they are.",
        "ingest topics create -c ingest.toml --partitions 12 --replication-factor 3",
        _topics_create,
    )
    _add_config(create)
    create.add_argument("--partitions", type=positive, default=4, metavar="N", help="partitions per topic (default: 4)")
    create.add_argument(
        "--replication-factor",
        type=positive,
        default=-1,
        metavar="R",
        help="copies of each partition (default: the broker's own default)",
    )
    _add_json(create)


def _add_redrive(commands: "_Commands", chosen: str) -> None:
    parser = _add(
        commands,
        "redrive",
        "Send dead letters again to the topics that they came from or were meant for.",
        "Reads the dead-letter topic from where the last run ended to its present end. Every record is redriven once:\n"
        "a run with --reason leaves the others where they are and keeps a position of its own (consumer group\n"
        "ingest-redrive-TOPIC-REASON); a run without it takes all that is left (ingest-redrive-TOPIC). After a kill up to\n"
        "500 are sent again. Commands get back key, value and headers; events go to source.topic in source.format; the\n"
        "header ingest-redriven counts. What the dead-letter topic was too small for is read again where it came from.\n"
        "The exit code is 1 when a record was refused.",
        "ingest redrive -c ingest.toml --from iotout.dead --reason device_not_found --dry-run",
        _redrive,
    )
    _add_config(parser)
    if chosen == "redrive":
        from ingest.cli.redrive import add_arguments

        add_arguments(parser)
    _add_json(parser)


def _add_emulator(commands: "_Commands", chosen: str) -> None:
    parser = _add(
        commands,
        "emulator",
        "Run a local IoT Hub to try things on.",
        "Serves the Event Hub-compatible endpoint, service links for commands (port 5671), and devices over HTTPS and\n"
        "MQTT (port 8883), until SIGTERM or Ctrl-C. Prints how to connect when it is ready. Simulated devices send only\n"
        "if --rate or --events is given.",
        "ingest emulator --partitions 4 --devices 10 --rate 100",
        _emulator,
    )
    if chosen == "emulator":
        require_emulator("ingest emulator")
        from ingest.cli.emulator import add_arguments

        add_arguments(parser)


def _add_demo(commands: "_Commands", chosen: str) -> None:
    parser = _add(
        commands,
        "demo",
        "Show everything at work on this machine: hub, devices, Kafka, ingest.",
        "Nothing to install or configure: the hub is `ingest emulator`, Kafka is librdkafka's built-in mock\n"
        "cluster. Telemetry goes one way, an operator's commands the other. Ends with a summary counted at the topic\n"
        "and at the devices; exits with 1 when an event or a command is missing.",
        "ingest demo --events 20000 --commands 500 --json",
        _demo,
    )
    if chosen == "demo":
        from ingest.cli.demo import add_arguments

        add_arguments(parser)
    _add_json(parser)


def _load(args: argparse.Namespace, command: Command) -> Config:
    return load(args.config, environ=os.environ, overrides=args.overrides, for_command=command)


def _run(args: argparse.Namespace, command: Command) -> int:
    config = _load(args, command)
    from ingest.service.run import run

    return run(config, roles=directions(config, command), reload=partial(_load, args, command))


def _check_config(args: argparse.Namespace) -> int:
    config = _load(args, "check-config")
    from ingest.cli import check_config

    return check_config.run(config, connect=args.connect)


def _doctor(args: argparse.Namespace) -> int:
    from ingest.cli import doctor

    return doctor.run(partial(_load, args, "run"), as_json=args.as_json)


def _status(args: argparse.Namespace) -> int:
    from ingest.cli.status import command

    return command.run(args.url, interval=args.interval, once=args.once, as_json=args.as_json)


def _print_config(args: argparse.Namespace) -> int:
    print(example_toml() if args.example else effective_toml(_load(args, "print-config")), end="")
    return EXIT_OK


def _checkpoints(args: argparse.Namespace, action: str) -> int:
    config = _load(args, "checkpoints")
    from ingest.cli import checkpoints

    return checkpoints.run(config, args, action)


def _topics_create(args: argparse.Namespace) -> int:
    config = _load(args, "topics")
    from ingest.cli import topics

    return topics.create(
        config, partitions=args.partitions, replication_factor=args.replication_factor, as_json=args.as_json
    )


def _redrive(args: argparse.Namespace) -> int:
    config = _load(args, "topics")
    from ingest.cli import redrive

    return redrive.run(config, args)


def _emulator(args: argparse.Namespace) -> int:
    from ingest.cli.emulator import run

    return run(args)


def _demo(args: argparse.Namespace) -> int:
    from ingest.demo import run

    return run(args)
