"""A receiver over a real transport, for tests against the emulator."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ingest.config import Config, Hub, Secret, Source
from ingest.emulator import Emulator
from ingest.hub.position import EARLIEST, Position, StartAt
from ingest.source.events.received import Received
from ingest.source.receiving.receiver import Receiver
from ingest.source.transport.select import open_transport
from ingest.timing import Backoff, Deadline

PATIENCE = 60.0
PARTITION = "0"


def configured(
    emulator: Emulator, transport: str, *, tls: bool = False, group: str = "$Default", prefetch: int = 0
) -> Config:
    ends = emulator.endpoints
    text = ends.event_hub_connection_string_tls if tls else ends.event_hub_connection_string
    return Config(
        hub=Hub(event_hub_connection_string=Secret(text), ca_file=Path(ends.ca_file) if tls else None),
        source=Source(consumer_group=group, transport=transport, prefetch=prefetch),
    )


class Reader:
    """A receiver and what it has handed on."""

    def __init__(self, config: Config, start: StartAt | None = None, last: Position | None = None) -> None:
        self.transport = open_transport(config, PARTITION)
        assert self.transport.name == config.source.transport
        self.receiver = Receiver(
            self.transport, PARTITION, start or StartAt(EARLIEST), last=last, backoff=Backoff(0.05, 0.5)
        )
        self.events: list[Received] = []
        self.receiver.start()

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, (len(self.events), self.receiver.trouble)
            self.events += self.receiver.poll(0.1) or ()

    def until_events(self, count: int) -> None:
        self.until(lambda: len(self.events) >= count)

    @property
    def numbers(self) -> list[int]:
        return [event.sequence_number for event in self.events]


Reading = Callable[..., Reader]
"""Makes a `Reader` of the same arguments, which is closed at the end of the test."""


def fill(emulator: Emulator, count: int, first: int = 0, properties: Mapping[str, object] | None = None) -> None:
    given = {"level": "high"} if properties is None else properties
    emulator.send_many(("dev-1", b'{"n":%d}' % n, given) for n in range(first, first + count))
