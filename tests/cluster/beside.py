"""`python -m tests.cluster.beside`: ingest, a JavaScript and a Python processor share one consumer group, by ownership blobs.

Each make has its own intervals and strategy. JavaScript's is there first, then ingest comes, then Python's. Events come steadily;
what the three have read together is counted, and every change of owner. The last line is JSON; exits 1 when an event is lost, or
when partitions change owners after the first even share.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from ingest.cluster.ownership_blobs import OwnershipBlobs
from ingest.config import Checkpoints, Proxy, Secret
from ingest.emulator import Emulator
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.stock_store import StockStore
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import wait_until
from tests.interop.conftest import CHECKPOINT_EVERY, NAMESPACE, PROCESSORS
from tests.interop.foreign import ForeignReader
from tests.interop.ingester import Ingester
from tests.interop.reader import Event, Reader
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.storm.load import Repeated

PACES: Final = {"javascript": (10, 60), "python": (30, 180)}
"""Seconds between two looks, and until an ownership expires: the defaults of each."""
_SETTLE_SECONDS: Final = 900.0
"""Python's processor takes one partition each half minute."""
_LOOK_SECONDS: Final = 0.5
_DRAIN_SECONDS: Final = 240.0


class Owners:
    """Who owns which partition, as somebody looks again and again."""

    def __init__(self, partitions: int) -> None:
        self.changes = 0
        """How often a partition went from one owner to another, or was let go of."""
        self._partitions = partitions
        self.now: dict[str, str] = {}
        """Partition → owner, as it was seen last."""

    def note(self, owners: Mapping[str, str]) -> bool:
        """`owners`: partition → owner, empty for nobody. Returns whether anything has changed."""
        before, self.now = self.now, dict(owners)
        self.changes += sum(owner != owners.get(partition) for partition, owner in before.items() if owner)
        return before != self.now

    @property
    def shares(self) -> dict[str, int]:
        """Owner → how many it has."""
        return dict(Counter(owner for owner in self.now.values() if owner))

    def even(self, readers: int) -> bool:
        """Whether so many share all partitions, none having more than one partition more than another."""
        shares = list(self.shares.values())
        return len(shares) == readers and sum(shares) == self._partitions and max(shares) - min(shares) <= 1


def main() -> int:
    """0 when nothing is lost and nobody fights; else 1."""
    options = parsed(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="beside-") as folder:
        result = share(Path(folder), options.partitions, options.rate, options.seconds)
    print(json.dumps(result))
    return 1 if result["lost"] or result["owner_changes_afterwards"] else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options. Exits if they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.beside", description=__doc__)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--rate", type=int, default=120, help="events/s")
    parser.add_argument("--seconds", type=float, default=300.0, help="to look at it after the first even share")
    return parser.parse_args(arguments)


def share(folder: Path, partitions: int, rate: int, seconds: float) -> dict[str, Any]:
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaCluster(short_lived=True))
        blob = stack.enter_context(Azurite())
        hub = stack.enter_context(Emulator(partitions=partitions))
        store = stack.enter_context(StockStore(hub, blob.connection_string, NAMESPACE))
        topic = stack.enter_context(Topic(kafka.bootstrap))
        source = stack.enter_context(SourceProcess(folder))
        _configure(source, hub, kafka.bootstrap, topic.name, blob.connection_string, store.container)
        readers: dict[str, Reader] = {}
        for name, (claim, expiry) in PACES.items():
            order = _order(hub, blob.connection_string, store.container, claim, expiry)
            foreign = ForeignReader(name, PROCESSORS[name](), order)
            stack.callback(foreign.close)
            readers[name] = foreign
        readers[Ingester.name] = Ingester(source, topic, store)
        where = Checkpoints("blob", Secret(blob.connection_string), container=store.container)
        blobs = OwnershipBlobs(where, Proxy(), f"{NAMESPACE}/{hub.hub.name}/$Default")
        stack.callback(blobs.close)
        watch = Watch(blobs, Owners(partitions))

        sending = Repeated("telemetry", _Steady(hub, partitions, rate).turn)
        sending.start()
        settled = 0.0
        for count, name in enumerate(("javascript", Ingester.name, "python"), 1):
            readers[name].start()
            settled = watch.until_even(count)
            print(
                f"{name} has come: even after {settled:.0f} s, {watch.owners.changes} changes of owner so far",
                flush=True,
            )
        until_settled = watch.owners.changes
        watch.look_for(seconds)
        sending.finish()
        expected = {
            (partition, number)
            for partition, stats in hub.stats().partitions.items()
            for number in range(stats.last_sequence_number + 1)
        }
        with contextlib.suppress(AssertionError):
            wait_until(lambda: _read(readers.values()).keys() >= expected, "they are counted below", _DRAIN_SECONDS)
        changes, shares = watch.owners.changes - until_settled, watch.owners.shares
        for reader in readers.values():
            reader.stop()
        seen = {name: len(reader.seen()) for name, reader in readers.items()}
        read = _read(readers.values())
        return {
            "partitions": partitions,
            "seconds": seconds,
            "settled_after_python_came": round(settled, 1),
            "owner_changes_until_then": until_settled,
            "owner_changes_afterwards": changes,
            "partitions_of_each": sorted(shares.values()),
            "sent": len(expected),
            "read": seen,
            "lost": len(expected - read.keys()),
            "lost_of": Counter(partition for partition, _ in expected - read.keys()),
            "owners": {partition: watch.called(owner) for partition, owner in watch.owners.now.items()},
            "repeated": read.total() - len(read),
        }


class Watch:
    """Looks at the blobs, and prints when shares change."""

    def __init__(self, blobs: OwnershipBlobs, owners: Owners) -> None:
        self.owners = owners
        self._blobs = blobs
        self._began = time.monotonic()

    def look(self) -> None:
        if self.owners.note({partition: each.owner for partition, each in self._blobs.read().items()}):
            names = {self.called(owner): count for owner, count in sorted(self.owners.shares.items())}
            print(f"{time.monotonic() - self._began:6.1f} s: {names}", flush=True)

    def called(self, owner: str) -> str:
        """Returns ingest, or the beginning of a processor's number."""
        return owner.partition("/")[0][:8]

    def until_even(self, readers: int) -> float:
        """Returns after how many seconds so many readers have even shares. Raises AssertionError."""
        began = time.monotonic()
        while not self.owners.even(readers):
            assert time.monotonic() - began < _SETTLE_SECONDS, f"the shares are {self.owners.shares}"
            time.sleep(_LOOK_SECONDS)
            self.look()
        return time.monotonic() - began

    def look_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
            self.look()


class _Steady:
    """Numbered events to each partition, twice a second."""

    def __init__(self, hub: Emulator, partitions: int, rate: int) -> None:
        self._hub = hub
        self._devices = [Feeder(hub).device(str(number)) for number in range(partitions)]
        self._each = max(1, round(rate / 2 / partitions))
        self._sent = 0

    def turn(self) -> None:
        self._hub.send_many(self._events())

    def _events(self) -> Iterator[tuple[str, bytes, Mapping[str, object]]]:
        for _ in range(self._each):
            for device in self._devices:
                self._sent += 1
                yield device, str(self._sent).encode(), {}


def _read(readers: Iterable[Reader]) -> Counter[tuple[str, int]]:
    """Returns each event as (partition, sequence number), as often as it was read by anybody."""
    events: Iterator[Event] = (event for reader in readers for event in reader.seen())
    return Counter((event.partition, event.sequence_number) for event in events)


def _order(hub: Emulator, store: str, container: str, claim: int, expiry: int) -> dict[str, str]:
    """The environment of a processor (tests/interop/README.md)."""
    address = hub.endpoints.amqps.removeprefix("amqps://")
    return {
        "HUB_CONNECTION_STRING": hub.endpoints.event_hub_connection_string_tls.replace(address, NAMESPACE),
        "HUB_ENDPOINT": address,
        "HUB_CA_FILE": hub.endpoints.ca_file,
        "NODE_EXTRA_CA_CERTS": hub.endpoints.ca_file,
        "CONSUMER_GROUP": "$Default",
        "BLOB_CONNECTION_STRING": store,
        "BLOB_CONTAINER": container,
        "CHECKPOINT_EVERY": str(CHECKPOINT_EVERY),
        "CLAIM_SECONDS": str(claim),
        "OWNERSHIP_SECONDS": str(expiry),
    }


def _configure(source: SourceProcess, hub: Emulator, kafka: str, topic: str, store: str, container: str) -> None:
    write_config(
        source.config,
        {
            "hub": {
                "event_hub_connection_string": hub.endpoints.event_hub_connection_string_tls,
                "ca_file": hub.endpoints.ca_file,
            },
            "source": {"topic": topic, "dead_letter_topic": f"{topic}.dead"},
            "cluster": {"coordination": "blob"},
            "checkpoints": {"store": "blob", "blob_connection_string": store, "container": container},
            "kafka": {"bootstrap_servers": kafka},
            "metrics": {"port": 0},
            "service": {"log_format": "json"},
        },
    )


if __name__ == "__main__":
    sys.exit(main())
