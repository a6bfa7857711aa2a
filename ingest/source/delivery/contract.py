"""What a partition process asks of whatever brings its events to Kafka: at least once (`delivery`), or exactly once
(`transactional`)."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from ingest.hub.position import Position
from ingest.kafka.producer import ProducerPool
from ingest.metrics.meter import Histogram
from ingest.source.events.batch import Batch
from ingest.timing import Deadline


class Deliverer(Protocol):
    """Takes batches in order, and knows the position up to which everything is safe in Kafka or a dead letter.

    `start, poll, close, join` on the loop's thread. Counters are plain ints.
    """

    acked: int
    """Records that are safe in Kafka, dead letters left out."""
    seconds: Histogram
    """From the hub's enqueued time until then."""

    @property
    def pool(self) -> ProducerPool:
        """The producers of telemetry, for their figures."""
        ...

    @property
    def dead_lettered(self) -> Mapping[str, int]:
        """Dead letters that are safe, by reason."""
        ...

    @property
    def errors(self) -> Counter[str]:
        """Refused records, by Kafka's name of the error."""
        ...

    @property
    def room(self) -> bool:
        """Whether the next batch may be given; False is back-pressure."""
        ...

    @property
    def idle(self) -> bool:
        """Whether nothing is unfinished."""
        ...

    @property
    def on_the_way(self) -> bool:
        """Whether Kafka owes an answer."""
        ...

    @property
    def event_wait(self) -> float | None:
        """The longest time, in seconds, until `poll` must be called although no event has come; None: any."""
        ...

    @property
    def sends_in(self) -> float:
        """Seconds for which what is given now is not sent: it costs nobody any time to give it only then."""
        ...

    @property
    def position(self) -> Position | None:
        """Everything up to here is safe; None until something is."""
        ...

    @property
    def rewinds(self) -> bool:
        """Whether what was given after `position` must be given again: call `begin`, then give it."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why Kafka takes nothing, or is given nothing, in words; None if all is well."""
        ...

    @property
    def held_back(self) -> Mapping[str, bool]:
        """Reason → whether events wait for it that are neither delivered nor dead-lettered."""
        ...

    def start(self) -> None: ...

    def send(self, batch: Batch) -> None:
        """Takes one batch; its events come after all earlier ones."""
        ...

    def restart(self, position: Position) -> None:
        """Batches from now on come after `position`, which is safe once all earlier ones are."""
        ...

    def abandon(self) -> None:
        """Forgets what was not given to Kafka yet. `position` still moves with the answers to the rest, up to the first
        forgotten event."""
        ...

    def begin(self, position: Position | None) -> None:
        """After `abandon`, or when it `rewinds`: what is given now comes after `position`, whatever becomes of the rest."""
        ...

    def poll(self, timeout: float) -> None:
        """Sends what is ready and takes answers; waits up to `timeout` seconds for all of them. Raises RestartRequired if
        this process cannot go on with Kafka, Displaced if another one has its place there."""
        ...

    def close(self) -> None:
        """Takes no more batches, and forgets those of which nothing was given to Kafka yet: the next process gets them."""
        ...

    def join(self, deadline: Deadline, *, while_waiting: Callable[[], None]) -> bool:
        """Waits until nothing is unfinished; returns whether that is so. `position` covers whatever is safe."""
        ...
