"""`ingest checkpoints show|reset`: shows where each partition would resume, and deletes checkpoints."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cli.parsers import Commands, add_command, add_config, add_json, load_config
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE, Refused
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.config import Config
    from ingest.source.checkpoints import Checkpoint, CheckpointStore
    from ingest.source.checkpoints.store import Damaged


_KAFKA_SECONDS = 30.0


def add(commands: Commands) -> None:
    group = add_command(
        commands,
        "checkpoints",
        "Show or reset where each partition would resume.",
        "A checkpoint is the last event of a partition that is safe in Kafka.",
        "ingest checkpoints show -c ingest.toml",
        None,
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION")
    shows = add_command(
        actions,
        "show",
        "List the checkpoints.",
        "Reads the store that [checkpoints] names.",
        "ingest checkpoints show -c ingest.toml --json",
        lambda args: run(load_config(args, "checkpoints"), args, "show"),
    )
    resets = add_command(
        actions,
        "reset",
        "Delete checkpoints, so that reading begins again at source.start.",
        "Stop ingest first: a running process writes its checkpoint again. Also deletes those of Go and Rust processors,\n"
        'and with source.delivery = "exactly_once" the positions in Kafka.\n'
        "Without --yes it only shows what it would do, and exits with 2 if there is something to delete.",
        "ingest checkpoints reset -c ingest.toml --partition 3 --yes",
        lambda args: run(load_config(args, "checkpoints"), args, "reset"),
    )
    resets.add_argument("--yes", action="store_true", help="do it")
    for parser in (shows, resets):
        add_config(parser)
        parser.add_argument("--partition", metavar="P", help="this partition alone (default: all)")
        add_json(parser)


def run(config: "Config", args: argparse.Namespace, action: str) -> int:
    """`action`: show or reset."""
    if action == "show":
        return show(config, partition=args.partition, as_json=args.as_json)
    return reset(config, partition=args.partition, as_json=args.as_json, confirmed=args.yes)


def show(config: "Config", *, partition: str | None, as_json: bool) -> int:
    """Prints the checkpoints, as a table or as one JSON list, and on stderr those that cannot be read: with any of those it
    returns 69. Raises Refused or Unreachable from the store."""
    store = _open(config)
    try:
        found, damaged = _chosen(store, partition)
    finally:
        store.close()
    if as_json:
        print(json.dumps([*map(_as_json, found), *map(_damaged_as_json, damaged)]))
    elif not found and not damaged:
        print("no checkpoints")
    elif found:
        print(f"{'PARTITION':<11}{'SEQUENCE NUMBER':<17}{'OFFSET':<24}{'SAVED':<27}READ FROM")
        for checkpoint in found:
            sequence_number = "-" if checkpoint.sequence_number is None else str(checkpoint.sequence_number)
            row = f"{checkpoint.partition:<11}{sequence_number:<17}{checkpoint.offset or '-':<24}"
            lease = " (the lease of an old Event Processor Host)" if checkpoint.lease else ""
            print(printable(f"{row}{_saved(checkpoint) or '-':<27}{checkpoint.place or '-'}{lease}"))
    _complain(damaged)
    return EXIT_UNAVAILABLE if damaged else EXIT_OK


def reset(config: "Config", *, partition: str | None, as_json: bool, confirmed: bool) -> int:
    """Deletes the checkpoints of one partition or of all, also damaged ones. Without `confirmed` it only lists them, and
    returns 2 if there are any."""
    store = _open(config)
    try:
        chosen, unreadable = _chosen(store, partition)
        if confirmed and config.source.delivery == "exactly_once":
            _forget_positions(config, partition)
        found = [checkpoint for checkpoint in chosen if not checkpoint.lease]
        damaged = [each for each in unreadable if not each.lease]
        if confirmed:
            for name in [*(each.partition for each in found), *(each.partition for each in damaged)]:
                store.delete(name)
    finally:
        store.close()
    if as_json:
        rows = [*map(_as_json, found), *map(_damaged_as_json, damaged)]
        print(json.dumps({"deleted": confirmed, "checkpoints": rows}))
    elif not found and not damaged:
        print("no checkpoints to delete")
    else:
        done = "deleted" if confirmed else "would delete"
        for checkpoint in found:
            print(printable(f"{done} the checkpoint of partition {checkpoint.partition}"))
        for each in damaged:
            print(printable(f"{done} the damaged checkpoint of partition {each.partition}"))
        if not confirmed:
            print("These partitions would begin again at source.start. Stop ingest, then repeat this with --yes.")
    for checkpoint in chosen:
        if checkpoint.lease:
            print(
                f"{printable(checkpoint.place or 'it')} is the lease of an old Event Processor Host, and is not deleted: "
                "start with --ignore-legacy-leases to begin at source.start",
                file=sys.stderr,
            )
    _complain([each for each in unreadable if each.lease])
    return EXIT_OK if confirmed or not (found or damaged) else EXIT_USAGE


def _forget_positions(config: "Config", partition: str | None) -> None:
    """For exactly once: what the next start goes by are the positions in Kafka."""
    from ingest.hub import event_hubs
    from ingest.source.endpoint import find
    from ingest.source.exactly_once import forget_position
    from ingest.timing import Deadline

    config = find(config)
    for name in event_hubs.partition_ids(config) if partition is None else [partition]:
        forget_position(config, name, Deadline(_KAFKA_SECONDS))


def _complain(damaged: "Sequence[Damaged]") -> None:
    for each in damaged:
        print(printable(str(each)), file=sys.stderr)


def _open(config: "Config") -> "CheckpointStore":
    from ingest.source.checkpoints import Scope, open_store
    from ingest.source.endpoint import settled_here

    config = settled_here(config)
    hub = config.hub.event_hub
    if hub is None:
        raise Refused("no hub is configured, so there are no checkpoints: write hub.event_hub_connection_string")
    return open_store(
        config.checkpoints, Scope(hub.namespace, hub.event_hub, config.source.consumer_group), config.proxy
    )


def _chosen(store: "CheckpointStore", partition: str | None) -> "tuple[list[Checkpoint], list[Damaged]]":
    """Returns the checkpoints that can be read, and those that cannot."""
    from ingest.source.checkpoints.store import Damaged

    damaged: list[Damaged] = []
    if partition is None:
        return store.load_all(damaged), damaged
    try:
        checkpoint = store.load(partition)
    except Damaged as one:
        return [], [one]
    return [] if checkpoint is None else [checkpoint], []


def _saved(checkpoint: "Checkpoint") -> str | None:
    if checkpoint.time is None:
        return None
    return datetime.fromtimestamp(checkpoint.time, UTC).isoformat(timespec="seconds")


def _as_json(checkpoint: "Checkpoint") -> dict[str, str | int | None]:
    return {
        "partition": checkpoint.partition,
        "sequenceNumber": checkpoint.sequence_number,
        "offset": checkpoint.offset,
        "saved": _saved(checkpoint),
        "readFrom": checkpoint.place,
    }


def _damaged_as_json(damaged: "Damaged") -> dict[str, str | int | None]:
    nothing = dict.fromkeys(("sequenceNumber", "offset", "saved", "readFrom"))
    return {"partition": damaged.partition, **nothing, "damage": str(damaged)}
