"""Options of the commands that read from the hub beside a running ingest."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.config import Config


def add_partitions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--partition",
        action="append",
        default=[],
        dest="partitions",
        metavar="P",
        help="this partition of the hub alone; can be repeated (default: source.partitions, or all)",
    )


def add_consumer_group(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--consumer-group",
        metavar="G",
        help="consumer group for reading from the hub; one that nobody else reads (default: source.audit_consumer_group)",
    )


def check_stretch(args: argparse.Namespace) -> None:
    """Ends the program if `from_ms` and `to_ms` are no stretch of time."""
    if args.to_ms <= args.from_ms:
        args.parser.error("--to is not later than --from: name a later time")


def partitions_of(args: argparse.Namespace, config: "Config") -> tuple[str, ...]:
    """Returns those that are asked for; none for all."""
    return tuple(args.partitions or config.source.partitions)


def consumer_group_of(args: argparse.Namespace, config: "Config") -> str:
    return str(args.consumer_group or config.source.audit_consumer_group or config.source.consumer_group)
