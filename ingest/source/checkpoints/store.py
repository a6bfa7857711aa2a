"""What a checkpoint is, and what a place that keeps checkpoints must do. Contract only: see `blob` and `file`."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from ingest.errors import IngestError, Refused


@dataclass(frozen=True, slots=True)
class Scope:
    """Which reader the checkpoints belong to. Two scopes never see each other's checkpoints.

    Azure ignores the case of all three names, and so does every store.
    """

    namespace: str
    """Fully qualified, as azure-eventhub sees it: `ihsuprod.servicebus.windows.net`, or `localhost:5672`."""
    event_hub: str
    consumer_group: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The last event of one partition that is safe in Kafka: reading resumes right after it.

    At least one of `offset` and `sequence_number` is set. "-1" and -1 stand for the place before the first event.
    """

    partition: str
    offset: str | None
    """Opaque: the hub's own text, which need not be a number. None in checkpoints with a sequence number only, which
    other Event Hubs clients can leave behind."""
    sequence_number: int | None
    time: float | None = None
    """When it was saved, epoch seconds by the store's own clock. Filled in by `load` and `load_all`, not read by
    `save`."""
    place: str | None = None
    """Name of the blob or file that it was read from. Filled in like `time`."""
    lease: bool = False
    """Whether that is the lease of an old Event Processor Host, which is read only while there is no checkpoint."""
    hub_created_ms: int | None = None
    """When the hub of this position was created, Unix milliseconds: distinguishes it from a later hub of the same name.
    None in checkpoints of other processors."""
    tag: object = field(default=None, compare=False, repr=False)
    """The store's own mark of this state, which changes with every write of any process. None if not from a store."""


class _Whatever(Enum):
    IS_THERE = "is there"


WHATEVER: Final = _Whatever.IS_THERE
"""Stands for any state that a save replaces: that state is not compared."""
Before = Checkpoint | None | _Whatever


def reset_command(partition: str) -> str:
    """Returns the command with which a user makes one partition forget its checkpoint."""
    return f"ingest checkpoints reset -c … --partition {partition} --yes"


class Damaged(Refused):
    """The checkpoint of one partition cannot be read. Waiting can help, as a user can mend it; others are
    unaffected."""

    def __init__(self, partition: str, sentence: str, *, lease: bool = False) -> None:
        """`lease`: whether it is the lease of an old Event Processor Host."""
        self.partition = partition
        self.lease = lease
        super().__init__(sentence)


class Changed(IngestError):
    """Nothing was saved, as the store does not hold the expected state."""

    def __init__(self, partition: str, found: Checkpoint | None, damage: str | None = None) -> None:
        super().__init__(f"the checkpoint of partition {partition} was changed by another process")
        self.found = found
        """What the store holds; None if nothing readable."""
        self.damage = damage
        """Why it cannot be read, a sentence; None if there is nothing, or nothing wrong."""


class CheckpointStore(Protocol):
    """Checkpoints of one scope. Every call blocks, tries once, and ends within about 10 s.

    Every method raises `Refused` (the store said no: wrong key, no permission, damaged checkpoint) or `Unreachable`
    (no answer, or an answer that passes with time). Neither message holds a secret. An instance is used by one thread
    at a time and by the process that opened it.
    """

    def check(self) -> None:
        """Checks that the store answers and is writable; creates its container or directory if missing."""

    def load(self, partition: str) -> Checkpoint | None:
        """Returns the checkpoint of one partition, or None if it never had one. Raises Damaged if it cannot be read."""

    def load_all(self, damaged: list[Damaged] | None = None) -> list[Checkpoint]:
        """Returns every checkpoint of the scope, ordered by partition (numerically if the ids are numbers).

        Unreadable ones are added to `damaged`; without such a list the first of them is raised.
        """

    def save(self, checkpoint: Checkpoint, over: Before = WHATEVER) -> Checkpoint:
        """Replaces the checkpoint of `checkpoint.partition` if it is still in the state `over`, as `load` or `save`
        returned it, None for no checkpoint; if several try this at the same time, one succeeds. Returns the new state.

        Durable on return. After an error the store holds the old or the new checkpoint, nothing else. Raises Changed if
        it is in another state.
        """

    def delete(self, partition: str) -> None:
        """Deletes the checkpoint of one partition, even a damaged one, so that it starts over at `source.start`. No
        error if there is none.

        Leases of old Event Processor Hosts belong to others, and stay.
        """

    def close(self) -> None:
        """Releases connections. Can be called twice."""
