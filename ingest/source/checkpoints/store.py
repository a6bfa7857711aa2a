"""What a checkpoint is, and what a place that keeps checkpoints must do. Contract only: see `blob` and `file`."""

from dataclasses import dataclass
from typing import Protocol


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


class CheckpointStore(Protocol):
    """Checkpoints of one scope. Every call blocks, tries once, and ends within about 10 s.

    Every method raises `Refused` (the store said no: wrong key, no permission, damaged checkpoint) or `Unreachable`
    (no answer, or an answer that passes with time). Neither message holds a secret. An instance is used by one thread
    at a time and by the process that opened it.
    """

    def check(self) -> None:
        """Prove that the store answers and can be written, creating its container or directory when missing."""

    def load(self, partition: str) -> Checkpoint | None:
        """The checkpoint of one partition, or None if it never had one. A damaged one is `Refused`, never None."""

    def load_all(self) -> list[Checkpoint]:
        """Every checkpoint of the scope, ordered by partition (numerically where the ids are numbers)."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of `checkpoint.partition`, whatever it was: the last writer wins.

        Durable on return. After an error it holds the old or the new checkpoint, nothing else.
        """

    def delete(self, partition: str) -> None:
        """Forget one partition, so that it starts over at `source.start`. No error if there is nothing to forget.

        Leases of old Event Processor Hosts are others' property, and stay.
        """

    def close(self) -> None:
        """Release connections. May be called twice."""
