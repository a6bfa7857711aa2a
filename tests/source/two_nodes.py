"""Two services on one partition and one consumer group by mistake: real partition processes, in one thread, between a hub, a
Kafka and a checkpoint store in memory. Time is a number that the test moves.

A node can be frozen between two turns of its loop, while it reads its socket, or while it waits for Kafka; what it had in its
hands then is still there when it wakes.
"""

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from ingest.config import Checkpoints, Config, Hub, Secret, Source
from ingest.emulator.telemetry.admission import admit
from ingest.hub.link_errors import LinkEnded
from ingest.hub.position import StartAt
from ingest.kafka.records import Records
from ingest.process.child import ProcessSpec
from ingest.source import partition
from ingest.source.checkpoints.store import WHATEVER, Before, Checkpoint, CheckpointStore
from ingest.source.checkpoints.writer import CheckpointWriter
from ingest.source.delivery.delivery import Delivery
from ingest.source.events.event import Event
from ingest.source.ownership import PAUSE_SECONDS, Ownership
from ingest.source.preflight import Topics
from ingest.source.receiving.receiver import Receiver
from ingest.timing import Backoff, Deadline
from tests.source.delivery.refusing_kafka import DeadLetterShelf, Pool, RefusingKafka
from tests.source.sample_events import make_event

TURN_SECONDS = 0.5
PER_TURN = 4
"""Events that the hub gets in a turn."""
INTERVAL = 5.0
SOCKET = 80
"""Events that the hub can send ahead."""


_events: list[Event] = []
"""The same in every world, as they are dear."""

EVENT_HUB = "Endpoint=sb://hub.example/;SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath=hub"


class World:
    """The hub, Kafka, the store, and the time."""

    def __init__(self, seed: int, store: CheckpointStore) -> None:
        self.now = 1_000.0
        self.random = random.Random(seed)
        self.events: list[Event] = []
        self.links: list[HubLink] = []
        self.kafka = RefusingKafka(seed, partitions=1, names_culprits=True)
        self.store = Watched(store)
        self.nodes: list[Node] = []
        self.stale = 0
        """Records that a node gave to Kafka long after it had lost its link."""
        self.takeovers = 0
        """Processes that began, were killed, or attached again."""

    def monotonic(self) -> float:
        return self.now

    def publish(self, count: int) -> None:
        first = len(self.events)
        while len(_events) < first + count:
            _events.append(make_event(len(_events), body=b"%d" % len(_events)))
        self.events += _events[first : first + count]

    def pass_time(self, seconds: float) -> None:
        """One step of everything but the nodes."""
        self.now += seconds
        self.publish(PER_TURN)
        for link in self.links:
            link.fill()

    def run(self, seconds: float) -> None:
        """Every node that is awake takes its turns."""
        end = self.now + seconds
        while self.now < end:
            self.pass_time(TURN_SECONDS)
            for node in list(self.nodes):
                if not node.frozen:
                    node.turn()

    @property
    def delivered(self) -> list[int]:
        return [int(value) for _, value, _, _ in self.kafka.log[0]]


class Watched:
    """A store whose every save is looked at: the checkpoint never goes back."""

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        self.saved: list[int] = []

    def save(self, checkpoint: Checkpoint, over: Before = WHATEVER) -> Checkpoint:
        state = self._store.save(checkpoint, over)
        assert checkpoint.sequence_number is not None
        assert not self.saved or checkpoint.sequence_number >= self.saved[-1], "the checkpoint went back"
        self.saved.append(checkpoint.sequence_number)
        return state

    def load(self, name: str) -> Checkpoint | None:
        return self._store.load(name)


class HubLink:
    """A transport with a socket's buffer."""

    name = "memory"
    gathers = False
    more = False
    newest: int | None = None
    credit = SOCKET

    def __init__(self, world: World, node: "Node", epoch: int) -> None:
        self._world, self._node, self._epoch = world, node, epoch
        self._buffer: list[Event] = []
        self._next = 0
        self._refused = False
        self.up = False
        self.lost_at: float | None = None
        self.cut_until = 0.0
        self._broken = False

    @property
    def attached(self) -> bool:
        return self.up

    def open(self, start: StartAt) -> None:
        self._broken = self._world.now < self.cut_until
        if self._broken:
            return
        present = [link for link in self._world.links if link is not self]
        self._refused = admit([link._epoch for link in present], self._epoch) is not None
        if self._refused:
            return
        for other in present:
            self._world.links.remove(other)
            other.lost_at = self._world.now
        self._world.links.append(self)
        self._buffer, self.up, self.lost_at = [], True, None
        position = start.position
        self._next = (
            int(str(position)) + 1 if isinstance(position, int) or position == "-1" else self._behind(str(position))
        )
        self.fill()

    def _behind(self, offset: str) -> int:
        return next(event.sequence_number for event in self._world.events if event.offset == offset) + 1

    def fill(self) -> None:
        room = SOCKET - len(self._buffer)
        self._buffer += self._world.events[self._next : self._next + room]
        self._next = self._buffer[-1].sequence_number + 1 if self._buffer else self._next

    def poll(self, timeout: float) -> Sequence[Event]:
        if self._refused:
            raise LinkEnded("lost", "stolen", "a receiver with a higher epoch exists")
        if self._broken and not self._buffer:
            raise LinkEnded("lost", "connection_lost", "no route to the hub")
        events, self._buffer = self._buffer[:30], self._buffer[30:]
        self._node.at("poll")
        if not events and self.lost_at is not None:
            raise LinkEnded("lost", "stolen", "a receiver with a higher epoch was made")
        return events

    def gather(self, seconds: float) -> None: ...

    def tend(self) -> None: ...

    def cut(self, seconds: float) -> None:
        """The network is away; the hub notices at once, and lets others read."""
        self._broken, self.cut_until = True, self._world.now + seconds
        if self in self._world.links:
            self._world.links.remove(self)

    def close(self) -> None:
        self.up = self._refused = self._broken = False
        self._buffer = []
        if self in self._world.links:
            self._world.links.remove(self)


class StepWriter(CheckpointWriter):
    """Its work is done by whoever calls."""

    before_the_last: Callable[[], None] | None = None

    def start(self) -> None: ...

    def step(self) -> None:
        due = self.due()
        if due is not None and not isinstance(due, float):
            self.do(due)

    def join(self, deadline: Deadline) -> bool:
        if self.before_the_last is not None:
            self.before_the_last()
        self._run()
        return True


class Supervisor:
    """As much of `Child` as a partition process uses."""

    def __init__(self, config: Config) -> None:
        self.task = ProcessSpec("source", "0", "", config)
        self.stopping = False
        self.deadline = None

    def nothing(self, *_: object) -> None: ...

    wait = measure = beat = want_turn = end_turn = nothing

    def wait_for_turn(self, seconds: float) -> bool:
        return True


class WatchedPool(Pool):
    """Tells the node when it waits for Kafka, and counts what comes from one that has lost its link."""

    node: "Node"

    def send_all(self, topic: str, records: Records, done: Any) -> int:
        link, world = self.node.link, self.node.world
        if link.lost_at is not None and world.now - link.lost_at > PAUSE_SECONDS:
            world.stale += len(records)
        return super().send_all(topic, records, done)

    def flush(self, timeout: float) -> None:
        super().flush(timeout)
        self.node.at("flush")

    poll = flush


class Node:
    """One service, with one life of its partition process at a time."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.frozen = False
        self.process: partition.PartitionProcess | None = None
        self.link: HubLink
        self._at: tuple[str, Callable[[], None]] | None = None
        self._epoch = 0

    def start(self) -> None:
        assert self.process is None
        world = self.world
        world.takeovers += 1
        checkpoint = world.store.load("0")
        config = Config(
            hub=Hub(event_hub_connection_string=Secret(EVENT_HUB)),
            source=Source(format="toy"),
            checkpoints=Checkpoints(interval_seconds=INTERVAL),
        )
        self.link = HubLink(world, self, int(world.now * 1000))
        made = partition.PartitionProcess(
            Supervisor(config),  # type: ignore[arg-type]
            world.store,  # type: ignore[arg-type]
            checkpoint,
            Topics(None, 1),
        )
        pool = WatchedPool(world.kafka)
        pool.node = self
        delivery = made.delivery
        assert isinstance(delivery, Delivery)
        slow_way = delivery.slow_way
        delivery.pool = slow_way._pool = slow_way._outbox._pool = pool  # type: ignore[assignment]
        delivery.dead_letters.topic = DeadLetterShelf()  # type: ignore[assignment]
        made.transport = made.receiver._transport = self.link
        made.start()
        self.process = made
        world.nodes.append(self)

    def turn(self) -> None:
        process = self.process
        assert process is not None
        attaches = process.receiver.attaches
        if self.world.random.random() < 0.5:
            self._write()
        process.poll()
        if self.process is process:
            self.world.takeovers += process.receiver.attaches - attaches
            self._write()

    def _write(self) -> None:
        assert self.process is not None
        assert isinstance(self.process.writer, StepWriter)
        self.process.writer.step()

    def at(self, where: str) -> None:
        if self._at is not None and self._at[0] == where:
            (_, meanwhile), self._at = self._at, None
            meanwhile()

    def freeze(self, where: str, meanwhile: Callable[[], None]) -> None:
        """Stands still while `meanwhile` passes; `where`: between, poll, flush."""

        def still() -> None:
            self.frozen = True
            meanwhile()
            self.frozen = False

        if where == "between" or self.process is None:
            still()
            return
        self._at = (where, still)
        self.world.pass_time(TURN_SECONDS)
        self.turn()
        if self._at is not None:  # it did not come by there
            self._at = None
            still()

    def stop(self, saves_after: float = 0.0) -> None:
        """Gracefully; the last checkpoint comes so many seconds after the end of its link."""
        assert self.process is not None
        process = self.process
        assert isinstance(process.writer, StepWriter)
        process.writer.before_the_last = lambda: self.world.run(saves_after)
        self.process = None
        self.world.nodes.remove(self)
        process.close(Deadline(30, clock=self.world.monotonic))

    def kill(self) -> None:
        self.world.takeovers += 1
        self.process = None
        self.world.nodes.remove(self)
        self.link.close()


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[World], None]:
    """Puts partition processes into a world."""

    def put(world: World) -> None:
        def delivery(config: Config, name: str, **options: Any) -> Delivery:
            return Delivery(config, name, clock=world.monotonic, **options)

        backoff = Backoff(0.2, 2.0, rng=world.random)
        for name, made in {
            "open_transport": lambda config, name, **_: SimpleNamespace(name="fast", gathers=False),
            "Receiver": partial(Receiver, clock=world.monotonic, backoff=backoff),
            "Delivery": delivery,
            "CheckpointWriter": partial(StepWriter, clock=_Clock(world)),
            "HubQuestion": lambda ask: SimpleNamespace(
                newest=None, trouble=None, ask=lambda *_, **__: True, answers=tuple
            ),
            "time": world,
        }.items():
            monkeypatch.setattr(partition, name, made)
        if hasattr(partition, "Ownership"):
            monkeypatch.setattr(partition, "Ownership", partial(Ownership, clock=world.monotonic))

    return put


class _Clock:
    def __init__(self, world: World) -> None:
        self._world = world

    def monotonic(self) -> float:
        return self._world.now

    def time(self) -> float:
        return self._world.now

    def wait(self, condition: object, seconds: float | None) -> None:
        raise AssertionError("a store in memory makes nobody wait")


@dataclass
class _Stored:
    metadata: dict[str, str]
    etag: str
    last_modified: datetime


class Container:
    """As much of a storage account's container as `BlobStore` uses, with ETags as the service has them."""

    def __init__(self) -> None:
        self._blobs: dict[str, _Stored] = {}

    def get_blob_client(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(
            set_blob_metadata=partial(self._set, name),
            upload_blob=partial(self._upload, name),
            get_blob_properties=partial(self._get, name),
        )

    def delete_blob(self, name: str) -> None:
        self._get(name)
        del self._blobs[name]

    def walk_blobs(self, **_: object) -> list[Any]:
        return []

    def _put(self, name: str, metadata: dict[str, str]) -> dict[str, str]:
        self._blobs[name] = _Stored(dict(metadata), uuid.uuid4().hex, datetime.now(UTC))
        return {"etag": self._blobs[name].etag}

    def _set(
        self, name: str, metadata: dict[str, str], etag: str | None = None, match_condition: object = None
    ) -> dict[str, str]:
        there = self._get(name)
        if match_condition is MatchConditions.IfNotModified and there.etag != etag:
            raise _answer(ResourceModifiedError, "ConditionNotMet", 412)
        return self._put(name, metadata)

    def _upload(self, name: str, data: bytes, *, overwrite: bool, metadata: dict[str, str]) -> dict[str, str]:
        if name in self._blobs and not overwrite:
            raise _answer(ResourceExistsError, "BlobAlreadyExists", 409)
        return self._put(name, metadata)

    def _get(self, name: str) -> _Stored:
        if name not in self._blobs:
            raise _answer(ResourceNotFoundError, "BlobNotFound", 404)
        return replace(self._blobs[name])


def _answer(kind: type[Exception], code: str, status: int) -> Exception:
    error: Any = kind(code)
    error.error_code, error.status_code = code, status
    return error  # type: ignore[no-any-return]
