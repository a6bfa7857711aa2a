"""The old connector's positions as checkpoints of ours: plans what to do for each partition, and does it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from ingest.config import Config
from ingest.errors import Refused
from ingest.hub.auth import entra
from ingest.hub.position import EARLIEST
from ingest.migrate.connect_files import SavedAt
from ingest.migrate.offset_store import read_file, read_topic
from ingest.migrate.positions import Entry, Owner, Positions, positions
from ingest.source.checkpoints import Checkpoint, CheckpointStore, Scope, open_store
from ingest.source.checkpoints.order import further
from ingest.source.checkpoints.store import Changed, Damaged
from ingest.source.endpoint import find

Outcome = Literal["save", "same", "ahead", "unclear"]


class Move(NamedTuple):
    """What becomes of one partition's saved position."""

    checkpoint: Checkpoint
    """What the old connector saved."""
    found: Checkpoint | None
    """What the store has; None for nothing."""
    outcome: Outcome
    """`save` it; it is already the `same`; the store's is `ahead`; or it is `unclear` which one is."""


def plan(offsets: Mapping[str, str], found: Iterable[Checkpoint]) -> list[Move]:
    """Returns one move per partition, in the order of `offsets`. Pure."""
    existing = {checkpoint.partition: checkpoint for checkpoint in found}
    return [_move(_checkpoint(partition, offset), existing.get(partition)) for partition, offset in offsets.items()]


def _checkpoint(partition: str, offset: str) -> Checkpoint:
    return Checkpoint(partition, offset, -1 if offset == EARLIEST else None)


def _move(mine: Checkpoint, found: Checkpoint | None) -> Move:
    if found is None:
        return Move(mine, None, "save")
    if found.offset == mine.offset:
        return Move(mine, found, "same")
    if found.offset == EARLIEST:
        return Move(mine, found, "save")
    if mine.offset == EARLIEST or (further(found, mine) and not further(mine, found)):
        return Move(mine, found, "ahead")
    return Move(mine, found, "save" if not further(found, mine) else "unclear")


def saved_entries(config: Config, saved: SavedAt) -> list[Entry]:
    """Returns what the worker's offset store holds. Raises Refused and Unreachable."""
    if saved.file is not None:
        return read_file(saved.file)
    if saved.topic is not None:
        return read_topic(config.kafka, saved.topic)
    raise Refused(
        "the worker's file has neither offset.storage.file.filename nor offset.storage.topic, so where the positions are is "
        "not known: give --offsets-file or --offsets-topic"
    )


def saved_positions(config: Config, saved: SavedAt, owner: Owner) -> Positions:
    """Returns the positions of the connector. Raises Refused and Unreachable; Refused also if a position cannot be
    read, as without it the partition would start over."""
    found = positions(saved_entries(config, saved), owner, wrapped=saved.wrapped)
    if found.unreadable:
        partition, why = next(iter(found.unreadable.items()))
        raise Refused(
            f"the saved position of partition {partition} of {owner.event_hub} cannot be taken over: {why}. The old connector "
            "could not read it either: delete it there, and source.start says where the partition begins"
        )
    return found


def store_of(config: Config) -> CheckpointStore:
    """Returns the configured store. Raises Refused if no hub is configured, ConfigError from the store."""
    entra.fetch_here(config)
    config = find(config)
    hub = config.hub.event_hub
    if hub is None:
        raise Refused("no hub is configured to read from, so there are no positions to take over")
    return open_store(config.checkpoints, Scope(hub.namespace, hub.event_hub, config.source.consumer_group))


def apply(store: CheckpointStore, moves: Sequence[Move]) -> None:
    """Saves the checkpoint of each move, whatever its outcome says. Raises Refused and Unreachable, Refused also if
    another process changes a checkpoint meanwhile; earlier saves stay."""
    for move in moves:
        # A lease belongs to another program, and does not count as a checkpoint.
        over = None if move.found is None or move.found.lease else move.found
        try:
            store.save(move.checkpoint, over)
        except Changed as changed:
            raise Refused(f"{changed}: stop the ingest that runs, and try again") from None


def take_over_missing(config: Config, saved: SavedAt, owner: Owner) -> list[Move]:
    """Saves the old connector's position of each partition that has no checkpoint yet; returns what was saved. A
    checkpoint that cannot be read, or that another node saves meanwhile, stays.

    A missing file holds no positions, as for the worker itself. Raises Refused and Unreachable.
    """
    if saved == SavedAt(wrapped=saved.wrapped) or (saved.file is not None and not saved.file.exists()):
        return []
    found = saved_positions(config, saved, owner)
    store = store_of(config)
    try:
        store.check()
        damaged: list[Damaged] = []
        moves = plan(found.offsets, store.load_all(damaged))
        left_alone = {each.partition for each in damaged}
        done = []
        for move in moves:
            if move.found is None and move.checkpoint.partition not in left_alone:
                with suppress(Changed):
                    store.save(move.checkpoint, None)
                    done.append(move)
        return done
    finally:
        store.close()
