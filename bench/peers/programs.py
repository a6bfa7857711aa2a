"""The peers, compiled, and one of them at work. Every source's header tells what was tried to make it fast."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.feed import Feed
from tests.faults.waiting import PATIENCE_SECONDS
from tests.services import compiled
from tests.services.guard import Guard
from tests.services.process import ServiceProcess

_SOURCES = Path(__file__).parent
_NAMESPACE = "localhost"
"""The clients take an address with a port only apart from the connection string."""


def go() -> list[str]:
    """On azeventhubs and franz-go."""
    return [compiled.go_program(_SOURCES / "go", "go-peer", "Go's peer")]


def java() -> list[str]:
    """On azure-messaging-eventhubs' asynchronous client and kafka-clients."""
    folder = _SOURCES / "java"
    program, classes = compiled.java_program(folder / "Peer.java", folder / "pom.xml", "java-peer", "Java's peer")
    return [program, "-XX:+UseParallelGC", "-Xms512m", "-Xmx512m", "-cp", classes, "Peer"]


PEERS: dict[str, Callable[[], list[str]]] = {"go": go, "java": java}
"""By name, how to make its command line; raises ServiceError."""


@contextmanager
def attached_peer(name: str, command: Sequence[str], feed: Feed, bootstrap: str, topic: str) -> Iterator[int]:
    """A peer waiting for the feed's backlog, which is hidden; gives its pid. Raises ServiceError when it ends by itself."""
    feed.hide()
    address = feed.address_tls.removeprefix("sb://")
    guard = Guard(f"peer-{name}")
    process = ServiceProcess(
        name,
        command,
        guard,
        {
            "HUB_CONNECTION_STRING": feed.event_hub_tls.replace(address, _NAMESPACE),
            "HUB_ENDPOINT": address,
            "HUB_CA_FILE": feed.ca_file,
            "KAFKA_BOOTSTRAP": bootstrap,
            "TOPIC": topic,
        },
    )
    try:
        process.start()
        process.wait_until(lambda: feed.attached() == 1, PATIENCE_SECONDS)
        yield process.pid
        assert process.poll() is None, process.output()
    finally:
        process.close()
        process.join(PATIENCE_SECONDS)
        guard.close()
