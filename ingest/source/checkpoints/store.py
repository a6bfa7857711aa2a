"""What a checkpoint is, and what a place that keeps checkpoints must do. Contract only: see `blob` and `file`."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from ingest.errors import IngestError, Refused


@dataclass(frozen=True, slots=True)
class Scope:
    """Which reader the checkpoints belong to. Two scopes never see each other's checkpoints.

    Azure treats all three names without regard to case, and so does every store.
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
    """Opaque: the hub's own text, which need not be a number. None in checkpoints by sequence number alone, which
    other Event Hubs clients may leave behind."""
    sequence_number: int | None
    time: float | None = None
    """When it was saved, epoch seconds by the store's own clock. Filled in by `load` and `load_all`, not read by
    `save`."""
    place: str | None = None
    """Name of the blob or file that it was read from. As `time`."""
    lease: bool = False
    """Whether that is the lease of an old Event Processor Host, which is read only as long as there is no checkpoint."""
    hub_created_ms: int | None = None
    """When the hub was made whose position this is, Unix milliseconds: it tells that hub from a later one of the same name.
    None in checkpoints of other processors."""
    tag: object = field(default=None, compare=False, repr=False)
    """The store's own mark of this very state, another one after every write, whoever writes. None in what no store gave."""


class _Whatever(Enum):
    IS_THERE = "is there"


WHATEVER: Final = _Whatever.IS_THERE
"""In place of the state that a save replaces: it asks nobody what that is."""
Before = Checkpoint | None | _Whatever


def reset_command(partition: str) -> str:
    """How a user makes one partition forget its checkpoint."""
    return f"ingest checkpoints reset -c … --partition {partition} --yes"


class Damaged(Refused):
    """The checkpoint of one partition cannot be read. Waiting may mend it, as a user can; other partitions are not concerned."""

    def __init__(self, partition: str, sentence: str, *, lease: bool = False) -> None:
        """`lease`: it is the lease of an old Event Processor Host that cannot be read."""
        self.partition = partition
        self.lease = lease
        super().__init__(sentence)


class Changed(IngestError):
    """Nothing was saved, as the store does not hold the state that was to be replaced."""

    def __init__(self, partition: str, found: Checkpoint | None, damage: str | None = None) -> None:
        super().__init__(f"the checkpoint of partition {partition} was changed by another process")
        self.found = found
        """What the store holds; None if nothing that can be read."""
        self.damage = damage
        """Why it cannot be read, a sentence; None where there is nothing, or nothing wrong."""


class CheckpointStore(Protocol):
    """Checkpoints of one scope. Every call blocks, tries once, and ends within about 10 s.

    Every method raises `Refused` (the store said no: wrong key, no permission, damaged checkpoint) or `Unreachable`
    (no answer, or an answer that passes with time). Neither message holds a secret. An instance is used by one thread
    at a time and by the process that opened it.
    """

    def check(self) -> None:
        """Prove that the store answers and can be written, creating its container or directory when missing."""

    def load(self, partition: str) -> Checkpoint | None:
        """The checkpoint of one partition, or None if it never had one. Raises Damaged where it cannot be read."""

    def load_all(self, damaged: list[Damaged] | None = None) -> list[Checkpoint]:
        """Every checkpoint of the scope, ordered by partition (numerically where the ids are numbers).

        Those that cannot be read are added to `damaged`; without such a list the first of them is raised.
        """

    def save(self, checkpoint: Checkpoint, over: Before = WHATEVER) -> Checkpoint:
        """Replace the checkpoint of `checkpoint.partition` if it is still in the state `over`, as `load` or `save` returned
        it, None for no checkpoint; of several who try this at the same time one succeeds. Returns the new state.

        Durable on return. After an error it holds the old or the new checkpoint, nothing else. Raises Changed where it is
        in another state.
        """

    def delete(self, partition: str) -> None:
        """Forget one partition, so that it starts over at `source.start`; a damaged checkpoint, too. No error if there is
        nothing to forget.

        Leases of old Event Processor Hosts are others' property, and stay.
        """

    def close(self) -> None:
        """Release connections. May be called twice."""
