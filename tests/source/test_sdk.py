"""The `sdk` transport under the receiver, against the emulator: every way a link can end, over real sockets."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.backoff import Backoff
from ingest.config import Config, Hub, Secret, Source
from ingest.deadline import Deadline
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.source import hub
from ingest.source.event import Event
from ingest.source.progress import Position
from ingest.source.receive import EARLIEST, LATEST, Receiver, StartAt
from ingest.source.sdk import SdkTransport

PATIENCE = 60.0
PARTITION = "0"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1) as made:
        yield made


def configured(emulator: Emulator, *, tls: bool = False, group: str = "$Default") -> Config:
    ends = emulator.endpoints
    text = ends.event_hub_connection_string_tls if tls else ends.event_hub_connection_string
    return Config(
        hub=Hub(event_hub_connection_string=Secret(text), ca_file=Path(ends.ca_file) if tls else None),
        source=Source(consumer_group=group),
    )


class Reader:
    """A receiver and what it has handed on."""

    def __init__(self, config: Config, start: StartAt | None = None, last: Position | None = None) -> None:
        self.transport = SdkTransport(config, PARTITION)
        self.receiver = Receiver(
            self.transport, PARTITION, start or StartAt(EARLIEST), last=last, backoff=Backoff(0.05, 0.5)
        )
        self.events: list[Event] = []
        self.receiver.start()

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, (len(self.events), self.receiver.trouble)
            self.events += self.receiver.poll(0.1)

    def until_events(self, count: int) -> None:
        self.until(lambda: len(self.events) >= count)

    @property
    def numbers(self) -> list[int]:
        return [event.sequence_number for event in self.events]


@pytest.fixture
def reading() -> Iterator[Callable[..., Reader]]:
    made: list[Reader] = []

    def start(config: Config, start: StartAt | None = None, last: Position | None = None) -> Reader:
        made.append(Reader(config, start, last))
        return made[-1]

    yield start
    for reader in made:
        reader.receiver.close()


def fill(emulator: Emulator, count: int, first: int = 0) -> None:
    emulator.send_many(("dev-1", b'{"n":%d}' % n, {"level": "high"}) for n in range(first, first + count))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_events_arrive_whole_and_in_order(emulator: Emulator, reading: Callable[..., Reader], tls: bool) -> None:
    fill(emulator, 5_000)
    reader = reading(configured(emulator, tls=tls))
    reader.until_events(5_000)
    assert reader.numbers == list(range(5_000))
    assert reader.events[7].body == b'{"n":7}'
    assert reader.events[7].device_id == "dev-1"
    assert reader.events[7].properties == {"level": "high"}
    assert reader.receiver.attached
    assert reader.transport.newest is not None


def test_an_event_is_handed_on_at_once_though_more_credit_is_out(
    emulator: Emulator, reading: Callable[..., Reader]
) -> None:
    reader = reading(configured(emulator))
    reader.until(lambda: reader.receiver.attached)
    for n in range(20):
        fill(emulator, 1, first=n)
        reader.until_events(n + 1)
    assert reader.numbers == list(range(20))


@pytest.mark.parametrize(
    ("start", "expected"),
    [(EARLIEST, [0, 1, 2, 3]), ("offset", [2, 3]), (1, [2, 3]), ("time", [2, 3])],
)
def test_start_positions(
    emulator: Emulator, reading: Callable[..., Reader], start: str | int, expected: list[int]
) -> None:
    offsets = [emulator.send("dev-1", b"x", enqueued_at_ms=1_700_000_000_000 + n * 1_000).offset for n in range(4)]
    position: str | int | datetime = start
    if start == "offset":
        position = offsets[1]
    elif start == "time":
        position = datetime.fromtimestamp(1_700_000_002, UTC)
    reader = reading(configured(emulator), StartAt(position))
    reader.until_events(len(expected))
    assert reader.numbers == expected


def test_latest_means_only_what_comes_after_the_link(emulator: Emulator, reading: Callable[..., Reader]) -> None:
    fill(emulator, 3)
    reader = reading(configured(emulator), StartAt(LATEST))
    reader.until(lambda: reader.receiver.attached)
    emulator.wait_for(lambda stats: stats.receivers == 1, PATIENCE)
    fill(emulator, 2, first=3)
    reader.until_events(2)
    assert reader.numbers == [3, 4]


FAULTS: dict[str, tuple[Callable[[Emulator], object], str]] = {
    "detach": (lambda emulator: emulator.faults.detach(), "detached"),
    "stolen": (lambda emulator: emulator.faults.detach("amqp:link:stolen", "New receiver …"), "stolen"),
    "busy": (lambda emulator: emulator.faults.throttle(count=2), "server_busy"),
    "close": (lambda emulator: emulator.faults.close(), "closed"),
    "abort": (lambda emulator: emulator.faults.abort(), "connection_lost"),
    "expired": (
        lambda emulator: emulator.faults.detach("amqp:unauthorized-access", "ExpiredToken: The token is expired."),
        "unauthorized",
    ),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
def test_a_link_that_ends_costs_no_event_and_repeats_none(
    emulator: Emulator, reading: Callable[..., Reader], fault: str
) -> None:
    strike, reason = FAULTS[fault]
    reader = reading(configured(emulator))
    for times in range(1, 6):  # five, because the client alone gives up at the fourth
        fill(emulator, 3_000, first=len(reader.events))
        reader.until(lambda: emulator.stats().receivers == 1)
        strike(emulator)
        reader.until(lambda times=times: reader.receiver.reconnects[reason] >= times)  # type: ignore[misc]
        emulator.faults.clear()
        reader.until_events(times * 3_000)
    assert reader.numbers == list(range(15_000))
    assert reader.receiver.gaps == 0


@pytest.mark.faults
def test_links_cut_in_the_middle_of_a_burst(emulator: Emulator, reading: Callable[..., Reader]) -> None:
    fill(emulator, 10_000)
    reader = reading(configured(emulator))
    for how in ("abort", "close", "detach", "abort"):
        emulator.faults.cut(1_700, how=how)
        done = sum(reader.receiver.reconnects.values())
        reader.until(lambda done=done: sum(reader.receiver.reconnects.values()) > done)  # type: ignore[misc]
    reader.until_events(10_000)
    assert reader.numbers == list(range(10_000))


@pytest.mark.faults
def test_a_refused_attach_is_told_with_its_condition(emulator: Emulator, reading: Callable[..., Reader]) -> None:
    fill(emulator, 1)
    emulator.faults.refuse_attach("amqp:resource-limit-exceeded", "Exceeded the maximum number of receivers")
    reader = reading(configured(emulator))
    reader.until(lambda: "amqp:resource-limit-exceeded: Exceeded" in (reader.receiver.trouble or ""))
    assert not reader.receiver.attached
    emulator.faults.clear()
    reader.until_events(1)
    assert reader.receiver.trouble is None


@pytest.mark.faults
def test_a_later_reader_takes_the_partition_and_an_earlier_one_cannot_take_it_back(
    emulator: Emulator, reading: Callable[..., Reader]
) -> None:
    fill(emulator, 1)
    first = reading(configured(emulator))
    first.until_events(1)
    second = reading(configured(emulator))
    second.until_events(1)
    first.until(lambda: first.receiver.reconnects["stolen"] >= 2)
    assert "higher epoch" in (first.receiver.trouble or "")
    fill(emulator, 1, first=1)
    second.until_events(2)
    second.receiver.close()
    first.until_events(2)


def test_an_unknown_consumer_group_is_refused_in_the_service_s_words(
    emulator: Emulator, reading: Callable[..., Reader]
) -> None:
    reader = reading(configured(emulator, group="nobody"))
    with pytest.raises(Refused, match=r"(?i)amqp:not-found: .*consumergroups/nobody"):
        reader.until_events(1)


def test_a_wrong_key_is_refused(emulator: Emulator, reading: Callable[..., Reader]) -> None:
    emulator.faults.refuse_cbs()
    reader = reading(configured(emulator))
    with pytest.raises(Refused, match="amqp:unauthorized-access: "):
        reader.until_events(1)


def test_a_position_beyond_the_end_starts_over_at_the_oldest_event(
    emulator: Emulator, reading: Callable[..., Reader], caplog: pytest.LogCaptureFixture
) -> None:
    fill(emulator, 3)
    reader = reading(configured(emulator), StartAt("99999999"), Position("99999999", 5_000))
    with caplog.at_level(logging.ERROR):
        reader.until_events(3)
    assert reader.numbers == [0, 1, 2]
    assert "no longer knows the position" in caplog.text
    assert reader.receiver.gaps >= 1


def test_large_events_bring_the_credit_down(emulator: Emulator, reading: Callable[..., Reader]) -> None:
    emulator.send_many(("dev-1", b"x" * 200_000, {}) for _ in range(60))
    reader = reading(configured(emulator))
    before = reader.transport.credit
    reader.until_events(60)
    assert reader.transport.credit < before / 10
    assert [len(event.body) for event in reader.events] == [200_000] * 60


def test_the_hub_tells_its_partitions_and_how_far_they_are(emulator: Emulator) -> None:
    config = configured(emulator)
    assert hub.partition_ids(config) == ["0"]
    assert hub.newest_sequence_number(config, "0")[0] == -1
    fill(emulator, 4)
    assert hub.newest_sequence_number(config, "0")[0] == 3


def test_questions_are_refused_in_the_service_s_words(emulator: Emulator) -> None:
    config = configured(emulator)
    text = config.hub.event_hub_connection_string.reveal()
    wrong_hub = replace(
        config, hub=Hub(event_hub_connection_string=Secret(text.replace("EntityPath=", "EntityPath=no-")))
    )
    with pytest.raises(Refused, match="amqp:not-found: "):
        hub.partition_ids(wrong_hub)
    key = text.partition("SharedAccessKey=")[2].partition(";")[0]
    wrong_key = replace(config, hub=Hub(event_hub_connection_string=Secret(text.replace(key, key[::-1]))))
    with pytest.raises(Refused, match="amqp:unauthorized-access: ") as refused:
        hub.partition_ids(wrong_key)
    assert key[::-1] not in str(refused.value)
