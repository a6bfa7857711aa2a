"""`python -m tests.storm.frozen`: two `ingest source` with one consumer group by mistake; one freezes while the other goes on.

Node A runs; it is frozen as a whole, and B starts and takes its partition; A wakes; B is stopped gracefully, and A goes on.
Then once more, and this time it is A, awake again, that is stopped. Prints one line of JSON; exits 1 when an event is lost, or
a checkpoint goes back, or more is repeated than a checkpoint interval and a socket's buffer for each take-over.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from ingest.emulator import Emulator
from tests.faults.conftest import basic_config
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.stock_store import StockStore
from tests.faults.telemetry import Feeder, Topic
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.storm import load

_INTERVAL_SECONDS = 5
_SOCKET_EVENTS = 10_000
_SETTLED_SECONDS = 60.0
_DRAIN_SECONDS = 180.0


def main() -> int:
    """0 when all is well; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.frozen", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="that a node is frozen")
    parser.add_argument("--store", choices=["file", "blob"], default="file")
    parser.add_argument("--transport", choices=["fast", "sdk"], default="fast")
    parser.add_argument("--rate", type=int, default=500, help="events/s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="frozen-") as folder:
        result = storm(Path(folder), options)
    print(json.dumps(result))
    return 1 if result["problems"] else 0


def storm(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """`problems` are empty when all is well."""
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaCluster(1))
        hub = stack.enter_context(Emulator(partitions=1))
        topic = stack.enter_context(Topic(kafka.bootstrap))
        store: dict[str, object] = {}
        blobs: StockStore | None = None
        if options.store == "blob":
            account = stack.enter_context(Azurite()).connection_string
            blobs = stack.enter_context(StockStore(hub, account))
            store = {"store": "blob", "blob_connection_string": account, "container": blobs.container}
        nodes = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            node = stack.enter_context(SourceProcess(folder / name))
            config = basic_config(folder, hub.endpoints.event_hub_connection_string, kafka.bootstrap, topic.name)
            own = {
                "source": {"transport": options.transport},
                "checkpoints": {"interval_seconds": _INTERVAL_SECONDS, **store},
            }
            write_config(node.config, config, own)
            nodes.append(node)
        feeder = Feeder(hub)
        checkpoints = _Checkpoints(folder / "checkpoints", blobs)
        loads = [load.telemetry(feeder, ("0",), options.rate), load.Repeated("checkpoints", checkpoints.look)]
        for each in loads:
            each.start()
        nodes[0].start()
        nodes[0].wait_ready()
        first, second = nodes
        codes = [_exchange(first, second, ends, options.seconds, checkpoints) for ends in (second, first)]
        problems = []
        try:
            loads[0].finish()
            topic.read(feeder.sent, _DRAIN_SECONDS)
            topic.check(feeder.sent)
        except AssertionError as error:
            problems.append(str(error))
        codes.append(second.close())
        loads[1].finish()
        checkpoints.look()
        problems += [f"a node ended with {code}" for code in codes if code]
        problems += checkpoints.backwards
        takeovers = 4
        bound = takeovers * (_INTERVAL_SECONDS * options.rate + _SOCKET_EVENTS)
        if topic.repeats > bound:
            problems.append(f"{topic.repeats} events are repeated, more than {bound}")
        return {
            "store": options.store,
            "transport": options.transport,
            "frozen_seconds": options.seconds,
            "events": sum(feeder.sent.values()),
            "events_missing": topic.missing(feeder.sent),
            "events_repeated": topic.repeats,
            "looks_at_checkpoints": checkpoints.looks,
            "problems": problems,
        }


def _exchange(
    frozen: SourceProcess, other: SourceProcess, ends: SourceProcess, seconds: float, checkpoints: "_Checkpoints"
) -> int:
    """`frozen` freezes, `other` takes over, `frozen` wakes, and one of the two ends gracefully. Returns its exit code."""
    os.killpg(frozen.pid, signal.SIGSTOP)
    began = time.monotonic()
    other.start()
    other.wait_ready()
    checkpoints.wait_moved()
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    os.killpg(frozen.pid, signal.SIGCONT)
    checkpoints.wait_moved()
    code = ends.close()
    checkpoints.wait_moved()
    return code


class _Checkpoints:
    """Of partition 0; `look` is called again and again."""

    def __init__(self, folder: Path, store: StockStore | None) -> None:
        self.backwards: list[str] = []
        self.looks = 0
        self._folder = folder
        self._store = store
        self._highest = -1

    def look(self) -> None:
        self.looks += 1
        number = self._read()
        if number < self._highest:
            self.backwards.append(f"the checkpoint went back: {self._highest} → {number}")
        self._highest = number

    def _read(self) -> int:
        if self._store is not None:
            return self._store.sequence_numbers().get("0", -1)
        found = [json.loads(path.read_bytes())["sequence_number"] for path in self._folder.rglob("0.json")]
        return max(found, default=-1)

    def wait_moved(self) -> None:
        """Until three checkpoints have moved on. Raises AssertionError."""
        began, deadline = self._highest, time.monotonic() + _SETTLED_SECONDS
        moves, before = 0, began
        while moves < 3:
            assert time.monotonic() < deadline, f"the checkpoint stays at {self._highest} for {_SETTLED_SECONDS:g} s"
            time.sleep(0.2)
            if self._highest != before:
                moves, before = moves + 1, self._highest


if __name__ == "__main__":
    sys.exit(main())
