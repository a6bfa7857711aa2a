"""What the hub gets to see of the fast transport is what it sees of the stock client, field by field."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.eventhub import EventHubConsumerClient

from ingest.amqp.frames import Frame, FrameSplitter, decode_body
from ingest.amqp.message import decode_message
from ingest.amqp.performatives import Attach, Detach, Source
from ingest.emulator import Emulator
from ingest.emulator.amqp.connection import MAX_FRAME_SIZE, Connection
from ingest.hub import event_hubs
from ingest.hub.position import EARLIEST, LATEST, StartAt
from ingest.source.transport.fast import FastTransport
from tests.source.readers import PARTITION, PATIENCE, Reading, configured, fill

EVENTS = 100
CREDIT = 1_000
"""More than twice the events: neither client has reason to ask for more."""
OWNER_LEVEL = 1_700_000_000_000
_RANDOM = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_OF_NOW = re.compile(r"(?<=sig=)[^&]+|(?<=&se=)\d+|(?<='expiration': )\d+")

Wire = Callable[[], list[str]]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """`wire()`: the frames of the newest connection that attached to the partition, in words."""
    received: dict[Connection, bytes] = defaultdict(bytes)
    take = Connection.data_received

    def data_received(self: Connection, data: bytes) -> None:
        received[self] += data
        take(self, data)

    monkeypatch.setattr(Connection, "data_received", data_received)

    def frames() -> list[str]:
        # A client of Kafka that an earlier test has left looks for its broker, which can have had this port.
        said = [words(data) for data in received.values() if data.startswith(b"AMQP")]
        return next(each for each in reversed(said) if any("/Partitions/" in frame for frame in each))

    return frames


def words(data: bytes) -> list[str]:
    """Every frame with all its fields, without what is random or follows from the time of day.

    Up to the first detach: closed from another thread, the stock client does not always get to send the others.
    """
    found: list[str] = []
    for item in FrameSplitter(MAX_FRAME_SIZE).feed(data):
        shown: Any = item
        if isinstance(item, Frame) and item.body:
            performative, payload = decode_body(item.body)
            if isinstance(performative, Detach):
                break
            shown = item.kind, item.channel, performative, decode_message(payload) if payload else None
        found.append(_OF_NOW.sub("<of now>", _RANDOM.sub("<random>", str(shown))))
    return found


def joined(emulator: Emulator, start: StartAt) -> None:
    """Waits for the link, and sends what it waits for."""
    emulator.wait_for(lambda stats: stats.receivers == 1, PATIENCE)
    if start.position == LATEST:
        fill(emulator, 1)


def over_the_stock_client(emulator: Emulator, start: StartAt, events: int) -> None:
    client = EventHubConsumerClient.from_connection_string(
        emulator.endpoints.event_hub_connection_string,
        "$Default",
        load_balancing_interval=0.5,
        idle_timeout=event_hubs.IDLE_SECONDS,
    )
    done = threading.Event()
    received: list[object] = []

    def on_batch(_: object, batch: list[object]) -> None:
        received.extend(batch)
        if len(received) >= events:
            done.set()

    thread = threading.Thread(
        target=client.receive_batch,
        kwargs={
            "on_event_batch": on_batch,
            "partition_id": PARTITION,
            "owner_level": OWNER_LEVEL,
            "prefetch": CREDIT,
            "track_last_enqueued_event_properties": True,
            "starting_position": start.position,
            "starting_position_inclusive": start.inclusive,
            "max_wait_time": 0.2,
        },
    )
    thread.start()
    try:
        joined(emulator, start)
        assert done.wait(PATIENCE)
    finally:
        client.close()
        thread.join(PATIENCE)
    emulator.wait_for(lambda stats: stats.connections == 0, PATIENCE)


STARTS: dict[str, tuple[StartAt, int]] = {
    "earliest": (StartAt(EARLIEST), EVENTS),
    "latest": (StartAt(LATEST), 1),
    "offset": (StartAt("0"), EVENTS - 1),
    "sequence number": (StartAt(9), EVENTS - 10),
    "time": (StartAt(datetime(2020, 1, 1, tzinfo=UTC)), EVENTS),
}


@pytest.mark.parametrize("name", STARTS)
def test_the_hub_receives_the_same_frames(
    emulator: Emulator, reading: Reading, wire: Wire, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    start, events = STARTS[name]
    fill(emulator, EVENTS)
    over_the_stock_client(emulator, start, events)
    wanted = wire()
    reader = reading(configured(emulator, "fast", prefetch=CREDIT), start)
    assert isinstance(reader.transport, FastTransport)
    monkeypatch.setattr(reader.transport._owner, "value", OWNER_LEVEL)
    reader.until(lambda: reader.receiver.attached)
    joined(emulator, start)
    reader.until_events(events)
    reader.receiver.close()
    emulator.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    found = wire()
    assert found == wanted
    # As the comparison would hold for nothing, too.
    assert any(Attach.__name__ in frame and Source.__name__ in frame and str(OWNER_LEVEL) in frame for frame in found)
    assert any("Flow(" in frame and f"link_credit={CREDIT}" in frame for frame in found)
