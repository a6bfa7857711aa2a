"""Two services read one partition with one consumer group by mistake; nobody loses anything, and nothing goes back."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ingest.config import Secret
from ingest.source.checkpoints.blob import BlobStore
from ingest.source.checkpoints.file import FileCheckpointStore
from ingest.source.checkpoints.store import CheckpointStore
from ingest.source.formats import FORMATS
from tests.source.checkpoints.contract import SCOPE
from tests.source.delivery.rig import ToyFormat
from tests.source.two_nodes import INTERVAL, PER_TURN, SOCKET, TURN_SECONDS, Container, Node, World, in_memory

__all__ = ["in_memory"]
SEQUENCES = 100
STEPS = 8
FREEZE_SECONDS = 60.0
PER_INTERVAL = round(INTERVAL / TURN_SECONDS * PER_TURN)
Put = Callable[[World], None]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "toy", ToyFormat)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be had: to replace a file costs 20 ms on a disk that is busy with other tests."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


def a_file(folder: Path) -> CheckpointStore:
    return FileCheckpointStore(folder, SCOPE)


def a_blob(_: Path) -> CheckpointStore:
    store = BlobStore(
        Secret("AccountName=x;AccountKey=eA==;BlobEndpoint=http://127.0.0.1:1/x"), "c", SCOPE, leases=False
    )
    store._client = store._folders._client = Container()  # type: ignore[assignment]
    return store


stores = pytest.mark.parametrize("make", [a_file, a_blob], ids=["file", "blob"])


def some_steps(chosen: random.Random, world: World, nodes: list[Node], count: int) -> None:
    """Starts, stops, kills and freezes, in any order, also within each other."""
    for _ in range(count):
        awake = [node for node in nodes if not node.frozen]
        if not awake:
            world.run(chosen.choice([1.0, 10.0]))
            continue
        node = chosen.choice(awake)
        action = chosen.choice(["start", "freeze", "freeze", "stop", "kill", "cut"])
        if node.process is None:
            node.start()
        elif action == "freeze":
            node.freeze(
                chosen.choice(["between", "poll", "flush"]), lambda: frozen(chosen, world, nodes, chosen.randint(0, 3))
            )
        elif action == "stop":
            node.stop(chosen.choice([0.0, 3.0]))
        elif action == "cut":
            node.link.cut(chosen.choice([1.0, FREEZE_SECONDS]))
        elif action == "kill":
            node.kill()
        world.run(chosen.choice([0.5, 3.0, 12.0]))


def frozen(chosen: random.Random, world: World, nodes: list[Node], count: int) -> None:
    world.run(chosen.choice([1.0, FREEZE_SECONDS / 2]))
    some_steps(chosen, world, nodes, count)
    world.run(FREEZE_SECONDS / 2)


@stores
def test_nothing_is_lost_and_no_checkpoint_goes_back_in_any_order(
    in_memory: Put, folder: Path, make: Callable[[Path], CheckpointStore], capsys: pytest.CaptureFixture[str]
) -> None:
    most, store = 0.0, make(folder)
    for seed in range(SEQUENCES):
        store.delete("0")
        world = World(seed, store)
        in_memory(world)
        nodes = [Node(world, name) for name in "AB"]
        some_steps(random.Random(seed), world, nodes, STEPS)
        for node in nodes:
            if node.process is not None:
                node.stop()
        nodes[seed % 2].start()
        world.run(5.0)
        while not world.delivered or world.delivered[-1] < len(world.events) - 2 * PER_TURN:
            world.run(5.0)
        nodes[seed % 2].stop()
        seen = set(world.delivered)
        assert seen == set(range(max(seen) + 1)), f"sequence {seed}: lost"
        assert world.store.saved[-1] == max(seen), f"sequence {seed}: not saved at the end"
        assert world.stale == 0, f"sequence {seed}: a node that had lost its link went on"
        repeats = len(world.delivered) - len(seen)
        bound = PER_INTERVAL + SOCKET
        assert repeats <= world.takeovers * bound, f"sequence {seed}: {repeats} repeats"
        most = max(most, repeats / world.takeovers / PER_INTERVAL)
    with capsys.disabled():
        print(f"\n{SEQUENCES} sequences: at most {most:.2f} checkpoint intervals of repeats per take-over")


@stores
def test_who_was_cut_off_goes_on_where_another_has_stopped_meanwhile(
    in_memory: Put, folder: Path, make: Callable[[Path], CheckpointStore]
) -> None:
    """No word of the hub tells it that there was another."""
    world = World(1, make(folder))
    in_memory(world)
    first, second = Node(world, "A"), Node(world, "B")
    first.start()
    world.run(20.0)
    first.link.cut(60.0)
    world.run(5.0)
    second.start()
    world.run(30.0)
    second.stop()
    repeats = len(world.delivered) - len(set(world.delivered))
    world.run(60.0)
    first.stop()
    assert set(world.delivered) == set(range(max(world.delivered) + 1))
    assert max(world.delivered) > len(world.events) - SOCKET
    assert repeats <= PER_INTERVAL + 2 * PER_TURN
    assert len(world.delivered) - len(set(world.delivered)) == repeats
