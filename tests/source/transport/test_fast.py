"""What only the fast transport does, over real sockets against the emulator; what both do is in test_transports.py."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ingest.config import Hub, Secret
from ingest.emulator import Emulator
from ingest.emulator.amqp import connection as emulated
from ingest.emulator.amqp.connection import Connection
from ingest.emulator.conditions import Condition
from ingest.emulator.stats import ReceiverStats
from ingest.emulator.telemetry.event_receiver import EventReceiver
from ingest.hub.auth import key
from ingest.hub.client.client import Client
from ingest.hub.network.contract import Stream
from ingest.hub.position import EARLIEST, StartAt
from ingest.source.transport import fast
from ingest.source.transport.fast import FastTransport, _Link
from ingest.timing import Deadline
from tests.source.readers import PARTITION, PATIENCE, Reading, configured, fill

TOKEN_SECONDS = 4
WINDOW = 65_536
"""Of the client's session: so many frames may come before it must ask for more."""


def receivers(emulator: Emulator) -> tuple[ReceiverStats, ...]:
    return emulator.stats().partitions[PARTITION].receivers


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """The hub's ends of connections from which anything came, oldest first."""
    found: list[Connection] = []
    take = Connection.data_received

    def data_received(self: Connection, data: bytes) -> None:
        if self not in found:
            found.append(self)
        take(self, data)

    monkeypatch.setattr(Connection, "data_received", data_received)
    return found


def on_loop(emulator: Emulator, work: Callable[[], object]) -> None:
    """Runs it in the emulator's thread."""

    async def run() -> None:
        work()

    emulator.submit(run()).result(PATIENCE)


def pass_by(seconds: float, work: Callable[[], object]) -> None:
    """Does it again and again while the time passes."""
    deadline = Deadline(seconds)
    tick = threading.Event()
    while not deadline.expired:
        work()
        tick.wait(0.02)


@pytest.fixture
def short_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key, "TOKEN_SECONDS", TOKEN_SECONDS)


@pytest.mark.usefixtures("short_tokens")
def test_the_token_is_renewed_while_events_come(emulator: Emulator, reading: Reading) -> None:
    reader = reading(configured(emulator, "fast"))
    reader.until(lambda: reader.receiver.attached)
    expired = time.time() + TOKEN_SECONDS + 2

    def feed() -> bool:
        fill(emulator, 20)
        return time.time() > expired

    reader.until(feed)
    emulated = emulator.stats().partitions[PARTITION]
    reader.until_events(emulated.last_sequence_number + 1)
    assert reader.numbers == list(range(emulated.last_sequence_number + 1))
    assert emulated.attaches == 1
    assert not reader.receiver.reconnects


@pytest.mark.usefixtures("short_tokens")
def test_the_token_is_renewed_while_no_events_are_wanted(emulator: Emulator, reading: Reading) -> None:
    reader = reading(configured(emulator, "fast", prefetch=2_000))
    reader.until(lambda: reader.receiver.attached)
    # The answer about the token is behind a megabyte of them.
    fill(emulator, 3_000)
    pass_by(TOKEN_SECONDS + 2, reader.receiver.tend)
    reader.until_events(3_000)
    assert emulator.stats().attaches == 1


class Pinged:
    """A stream whose other side sends pings of WebSocket without end, once told to: there is always something, and no byte."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.flooded = False

    def wait(self, seconds: float) -> bool:
        return self.flooded or self._stream.wait(seconds)

    def read(self, most: int) -> bytes | None:
        return None if self.flooded else self._stream.read(most)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def test_pings_without_end_keep_nobody_from_the_rest(
    emulator: Emulator, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams: list[Pinged] = []
    take_over = Client.take_over

    def taken(self: Client) -> tuple[Pinged, bytes]:
        stream, begun = take_over(self)
        streams.append(Pinged(stream))
        return streams[-1], begun

    monkeypatch.setattr(Client, "take_over", taken)
    reader = reading(configured(emulator, "fast"))
    reader.until(lambda: reader.receiver.attached and bool(streams))
    streams[0].flooded = True
    assert not reader.receiver.poll(0.1)
    monkeypatch.setattr(fast, "TEND_SECONDS", 0.0)
    monkeypatch.setattr(_Link, "_is_asking", True)
    reader.receiver.tend()
    streams[0].flooded = False
    fill(emulator, 10)
    reader.until_events(10)
    assert not reader.receiver.reconnects


def test_credit_is_topped_up_before_it_runs_dry(emulator: Emulator, reading: Reading) -> None:
    reader = reading(configured(emulator, "fast", prefetch=1_000))
    reader.until(lambda: reader.receiver.attached)
    fill(emulator, 600)
    reader.until_events(600)
    # The client alone would ask again after 1,000.
    reader.until(lambda: receivers(emulator)[0].credit > 400)


@pytest.mark.parametrize("first_id", [1, (1 << 32) - 1_000], ids=["from 1", "past 32 bits"])
def test_the_session_s_window_is_renewed(
    emulator: Emulator, reading: Reading, monkeypatch: pytest.MonkeyPatch, first_id: int
) -> None:
    monkeypatch.setattr(emulated, "SESSION", replace(emulated.SESSION, first_id=first_id))
    events = 2 * WINDOW + 10_000
    fill(emulator, events, properties={})
    reader = reading(configured(emulator, "fast"))
    reader.until_events(events)
    assert reader.numbers == list(range(events))
    assert not reader.receiver.reconnects


def test_flows_of_the_hub_between_events_change_nothing(
    emulator: Emulator, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = EventReceiver._send_chunk

    def send_chunk(self: EventReceiver) -> bool:
        self.sender.session.write_flow(handle=None, delivery_count=None, link_credit=None)  # type: ignore[arg-type]  # a session can
        more = send(self)
        self.sender.send_flow()
        return more

    monkeypatch.setattr(EventReceiver, "_send_chunk", send_chunk)
    fill(emulator, 20_000)
    reader = reading(configured(emulator, "fast"))
    reader.until(lambda: reader.receiver.attached)
    assert isinstance(reader.transport, FastTransport)
    link = reader.transport._link
    assert link is not None
    before_them = set[int]()

    def counted() -> bool:
        before_them.add(link._session.next_incoming_id - link._transfers.frames)
        return len(reader.events) >= 20_000

    reader.until(counted)
    assert reader.numbers == list(range(20_000))
    # A hub's flow tells how many transfers it had sent then; those that came behind it count, too.
    assert len(before_them) == 1


def test_messages_of_a_megabyte_come_whole(emulator: Emulator, reading: Reading) -> None:
    bodies = [bytes((n,)) * ((1 << 20) - 5_000 - n) for n in range(20)]
    emulator.send_many(("dev-1", body, {}) for body in bodies)
    reader = reading(configured(emulator, "fast"))
    reader.until_events(20)
    assert [event.whole().body for event in reader.events] == bodies


def test_the_newest_event_is_known_even_if_it_is_the_first(emulator: Emulator, reading: Reading) -> None:
    fill(emulator, 1)
    reader = reading(configured(emulator, "fast"))
    reader.until_events(1)
    assert reader.transport.newest == 0


@pytest.fixture
def impatient_hub() -> Iterator[Emulator]:
    """It hangs up on clients that say nothing for two seconds."""
    with Emulator(partitions=1, idle_seconds=2.0) as made:
        yield made


def test_a_link_is_kept_alive_while_no_events_are_wanted(impatient_hub: Emulator, reading: Reading) -> None:
    reader = reading(configured(impatient_hub, "fast", prefetch=500))
    reader.until(lambda: reader.receiver.attached)
    fill(impatient_hub, 20_000)
    pass_by(5.0, reader.receiver.tend)
    stats = impatient_hub.stats()
    assert (stats.receivers, stats.attaches) == (1, 1)
    # What is on its way to a reader that takes nothing is bounded: no more is asked for.
    assert stats.delivered <= 500
    reader.until_events(20_000)
    assert reader.numbers == list(range(20_000))
    assert impatient_hub.stats().attaches == 1


@pytest.mark.faults
def test_an_error_while_no_events_are_wanted_comes_with_the_next_poll(emulator: Emulator, reading: Reading) -> None:
    reader = reading(configured(emulator, "fast"))
    fill(emulator, 10)
    reader.until_events(10)
    emulator.faults.detach("amqp:link:stolen", "New receiver …")
    pass_by(1.5, reader.receiver.tend)
    assert reader.receiver.attached
    reader.until(lambda: reader.receiver.reconnects["stolen"] == 1)
    fill(emulator, 10, first=10)
    reader.until_events(20)
    assert reader.numbers == list(range(20))


@pytest.mark.faults
@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x0e\x02\x00\x00\x01\x00\x53\x14\xc0\x01\x00", b"\x00" * 64],
    ids=["another protocol", "a broken transfer", "zeros"],
)
def test_bytes_that_are_no_amqp_end_the_link_and_cost_nothing(
    emulator: Emulator, reading: Reading, connections: list[Connection], garbage: bytes
) -> None:
    reader = reading(configured(emulator, "fast"))
    fill(emulator, 2_000)
    reader.until(lambda: reader.receiver.attached)
    hub_end = connections[-1]
    on_loop(emulator, lambda: hub_end.write(garbage))
    reader.until(lambda: sum(reader.receiver.reconnects.values()) == 1)
    fill(emulator, 2_000, first=2_000)
    reader.until_events(4_000)
    assert reader.numbers == list(range(4_000))
    assert reader.receiver.duplicates == 0


def steal_and_hang_up(emulator: Emulator, hub_end: Connection) -> None:
    """A last word, and nothing after it."""

    def go() -> None:
        for link in list(hub_end.links.values()):
            if isinstance(link, EventReceiver):
                link.detach(Condition("amqp:link:stolen", "New receiver …"))
        hub_end._hang_up()

    on_loop(emulator, go)


@pytest.mark.faults
def test_the_reason_is_told_though_the_hub_hangs_up_at_once(
    emulator: Emulator, reading: Reading, connections: list[Connection]
) -> None:
    reader = reading(configured(emulator, "fast"))
    fill(emulator, 10)
    reader.until_events(10)
    steal_and_hang_up(emulator, connections[-1])
    reader.until(lambda: sum(reader.receiver.reconnects.values()) == 1)
    assert reader.receiver.reconnects["stolen"] == 1


@pytest.mark.faults
def test_a_hub_that_says_nothing_is_given_up_in_time(emulator: Emulator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config = configured(emulator, "fast")
        text = config.hub.event_hub_connection_string.reveal()
        elsewhere = Secret(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", text))
        config = replace(config, hub=Hub(event_hub_connection_string=elsewhere))
        transport = FastTransport(config, PARTITION)
        transport.open(StartAt(EARLIEST))
        assert transport.poll(0.05) == ()
        assert not transport.attached
        transport.close()
        assert transport.poll(0.0) == ()
    for thread in threading.enumerate():
        if thread.name == "dialing":
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.faults
def test_the_reason_is_told_though_the_hub_hangs_up_while_no_events_are_wanted(
    emulator: Emulator, reading: Reading, connections: list[Connection]
) -> None:
    reader = reading(configured(emulator, "fast"))
    fill(emulator, 10)
    reader.until_events(10)
    steal_and_hang_up(emulator, connections[-1])
    pass_by(1.5, reader.receiver.tend)
    reader.until(lambda: sum(reader.receiver.reconnects.values()) == 1)
    assert reader.receiver.reconnects["stolen"] == 1


def test_a_link_comes_up_while_no_events_are_wanted(emulator: Emulator, reading: Reading) -> None:
    fill(emulator, 10)
    reader = reading(configured(emulator, "fast"))
    reader.receiver.poll(0)
    deadline = Deadline(PATIENCE)
    while not reader.receiver.attached:
        assert not deadline.expired
        pass_by(0.05, reader.receiver.tend)
    reader.until_events(10)
    assert reader.receiver.attaches == 1


def test_a_trickle_is_gathered_until_it_is_worth_a_turn(emulator: Emulator, reading: Reading) -> None:
    reader = reading(configured(emulator, "fast"))
    began = time.monotonic()
    reader.transport.gather(PATIENCE)  # no link is up
    reader.until(lambda: reader.receiver.attached)
    fill(emulator, 3)
    began_waiting = time.monotonic()
    reader.transport.gather(0.1)
    assert time.monotonic() - began_waiting >= 0.1
    fill(emulator, 1_000, first=3)
    reader.transport.gather(PATIENCE)
    assert time.monotonic() - began < PATIENCE
    reader.until_events(1_003)
    assert reader.numbers == list(range(1_003))
