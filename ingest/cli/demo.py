"""`ingest demo`: hub, devices, Kafka and ingest on this machine."""

import argparse

from ingest.cli.options import positive, positive_number, up_to
from ingest.cli.parsers import Commands, add_command, add_json


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "demo",
        "Run everything on this machine: hub, devices, Kafka, ingest.",
        "Nothing to install or configure: the hub is `ingest emulator`, Kafka is librdkafka's built-in mock\n"
        "cluster. Telemetry goes one way, an operator's commands the other. Ends with a summary counted at the topic\n"
        "and at the devices; exits with 1 if an event or a command is missing.",
        "ingest demo --events 20000 --commands 500 --json",
        run,
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=positive_number, metavar="S", help="how long the devices send (default: 20)")
    length.add_argument("--events", type=positive, metavar="N", help="how many events the devices send in total")
    parser.add_argument(
        "--rate",
        type=positive_number,
        metavar="R",
        help="events/s of all devices together, at most (default: 2000; with --events, as fast as is safe)",
    )
    parser.add_argument(
        "--commands",
        type=_whole,
        metavar="N",
        help="how many commands an operator sends to the devices, as fast as the hub takes them; 0: none (default: "
        "a few per second while the devices send)",
    )
    parser.add_argument(
        "--partitions",
        type=up_to(32),
        default=4,
        metavar="P",
        help="partitions of the hub, at most 32 (default: 4)",
    )
    parser.add_argument(
        "--devices", type=up_to(100_000), default=20, metavar="D", help="simulated devices (default: 20)"
    )
    parser.add_argument(
        "--delivery",
        choices=("at_least_once", "exactly_once"),
        help="as source.delivery (default: at_least_once); what is in Kafka is counted as a reader of committed records sees it",
    )
    parser.add_argument(
        "--nodes",
        type=up_to(8),
        default=1,
        metavar="N",
        help="nodes that share the hub, at most 8; with more than one, one is killed in the middle (default: 1)",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the demo. Raises IngestError if a part cannot be started or dies."""
    from ingest.demo import run as run_demo

    return run_demo(args)


def _whole(text: str) -> int:
    return 0 if text == "0" else positive(text)
