"""Both transports under the receiver, against the emulator: every way a link can end, over real sockets."""

import logging
import weakref
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ingest.config import Cluster
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.hub.owner_level import OwnerLevel
from ingest.hub.position import EARLIEST, LATEST, Position, StartAt
from ingest.process.memory import give_back
from tests.process.scarce import no_more_threads
from tests.source.readers import PATIENCE, Reading, configured, fill


@pytest.fixture(params=["sdk", "fast"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_events_arrive_whole_and_in_order(emulator: Emulator, reading: Reading, transport: str, tls: bool) -> None:
    fill(emulator, 5_000)
    reader = reading(configured(emulator, transport, tls=tls))
    reader.until_events(5_000)
    assert reader.numbers == list(range(5_000))
    event = reader.events[7].whole()
    assert event.body == b'{"n":7}'
    assert event.device_id == "dev-1"
    assert event.labels.properties == {"level": "high"}
    assert reader.receiver.attached
    assert reader.transport.newest is not None


def test_an_event_is_handed_on_at_once_though_more_credit_is_out(
    emulator: Emulator, reading: Reading, transport: str
) -> None:
    reader = reading(configured(emulator, transport))
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
    emulator: Emulator, reading: Reading, transport: str, start: str | int, expected: list[int]
) -> None:
    offsets = [emulator.send("dev-1", b"x", enqueued_at_ms=1_700_000_000_000 + n * 1_000).offset for n in range(4)]
    position: str | int | datetime = start
    if start == "offset":
        position = offsets[1]
    elif start == "time":
        position = datetime.fromtimestamp(1_700_000_002, UTC)
    reader = reading(configured(emulator, transport), StartAt(position))
    reader.until_events(len(expected))
    assert reader.numbers == expected


def test_latest_means_only_what_comes_after_the_link(emulator: Emulator, reading: Reading, transport: str) -> None:
    fill(emulator, 3)
    reader = reading(configured(emulator, transport), StartAt(LATEST))
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
    emulator: Emulator, reading: Reading, transport: str, fault: str
) -> None:
    strike, reason = FAULTS[fault]
    reader = reading(configured(emulator, transport))
    for times in range(1, 6):  # five, because the client alone gives up at the fourth
        fill(emulator, 3_000, first=len(reader.events))
        reader.until(lambda: emulator.stats().receivers == 1)
        strike(emulator)
        reader.until(lambda times=times: reader.receiver.reconnects[reason] >= times)  # type: ignore[misc]
        emulator.faults.clear()
        reader.until_events(times * 3_000)
    assert reader.numbers == list(range(15_000))
    assert reader.receiver.gaps == 0
    # Also before the receiver had a chance to leave them out.
    assert reader.receiver.duplicates == 0


@pytest.mark.faults
def test_nothing_is_left_of_links_that_have_ended(
    emulator: Emulator, reading: Reading, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "azure")  # as `ingest.logs` does: pytest keeps what is logged, errors and all
    reader = reading(configured(emulator, transport))
    ended = []
    for strike, _ in FAULTS.values():
        reader.until(lambda: emulator.stats().receivers == 1 and reader.receiver.attached)
        ended.append(weakref.ref(reader.transport._link))  # type: ignore[attr-defined]  # both transports have it
        done = sum(reader.receiver.reconnects.values())
        strike(emulator)
        reader.until(lambda done=done: sum(reader.receiver.reconnects.values()) > done)  # type: ignore[misc]
        emulator.faults.clear()

    def let_go() -> bool:
        give_back()
        return all(link() is None for link in ended)

    reader.until(let_go)  # the stock client's threads end a second later


@pytest.mark.faults
def test_links_cut_in_the_middle_of_a_burst(emulator: Emulator, reading: Reading, transport: str) -> None:
    fill(emulator, 10_000)
    reader = reading(configured(emulator, transport))
    for how in ("abort", "close", "detach", "abort"):
        emulator.faults.cut(1_700, how=how)
        done = sum(reader.receiver.reconnects.values())
        reader.until(lambda done=done: sum(reader.receiver.reconnects.values()) > done)  # type: ignore[misc]
    reader.until_events(10_000)
    assert reader.numbers == list(range(10_000))
    assert reader.receiver.duplicates == 0


@pytest.mark.faults
def test_a_refused_attach_is_told_with_its_condition(emulator: Emulator, reading: Reading, transport: str) -> None:
    fill(emulator, 1)
    emulator.faults.refuse_attach("amqp:resource-limit-exceeded", "Exceeded the maximum number of receivers")
    reader = reading(configured(emulator, transport))
    reader.until(lambda: "amqp:resource-limit-exceeded: Exceeded" in (reader.receiver.trouble or ""))
    assert not reader.receiver.attached
    emulator.faults.clear()
    reader.until_events(1)
    assert reader.receiver.trouble is None


@pytest.mark.faults
def test_a_later_reader_takes_the_partition_and_an_earlier_one_cannot_take_it_back(
    emulator: Emulator, reading: Reading, transport: str
) -> None:
    fill(emulator, 1)
    first = reading(configured(emulator, transport))
    first.until_events(1)
    second = reading(configured(emulator, transport))
    second.until_events(1)
    first.until(lambda: first.receiver.reconnects["stolen"] >= 2)
    assert "higher epoch" in (first.receiver.trouble or "")
    fill(emulator, 1, first=1)
    second.until_events(2)
    second.receiver.close()
    first.until_events(2)


def test_an_unknown_consumer_group_is_refused_in_the_service_s_words(
    emulator: Emulator, reading: Reading, transport: str
) -> None:
    reader = reading(configured(emulator, transport, group="nobody"))
    with pytest.raises(Refused, match=r"(?i)amqp:not-found: .*consumergroups/nobody"):
        reader.until_events(1)


def test_a_wrong_key_is_refused(emulator: Emulator, reading: Reading, transport: str) -> None:
    emulator.faults.refuse_cbs()
    reader = reading(configured(emulator, transport))
    with pytest.raises(Refused, match="amqp:unauthorized-access: "):
        reader.until_events(1)


def test_a_position_beyond_the_end_starts_over_at_the_oldest_event(
    emulator: Emulator, reading: Reading, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(emulator, 3)
    reader = reading(configured(emulator, transport), StartAt("99999999"), Position("99999999", 5_000))
    with caplog.at_level(logging.ERROR):
        reader.until_events(3)
    assert reader.numbers == [0, 1, 2]
    assert "no longer knows the position" in caplog.text
    assert reader.receiver.gaps >= 1


def test_a_hub_that_is_recreated_is_read_from_its_oldest_event_and_nothing_is_taken_for_a_repeat(
    emulator: Emulator, reading: Reading, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The new log reaches past the old position: its events are larger, and fewer."""
    fill(emulator, 50)
    reader = reading(configured(emulator, transport))
    reader.until_events(50)
    emulator.faults.recreate()
    emulator.send_many(("dev-1", b'{"n":%d}' % n + b" " * 80, {}) for n in range(43))
    reader.until_events(93)
    assert reader.numbers[50:] == list(range(43))
    assert (reader.receiver.gaps, reader.receiver.duplicates, reader.receiver.numbering) == (1, 0, 1)
    assert "numbers its events anew" in caplog.text


def test_an_offset_that_the_hub_does_not_take_is_replaced_by_the_sequence_number(
    emulator: Emulator, reading: Reading, transport: str
) -> None:
    fill(emulator, 50)
    for offset in ("12:3:4", "99999999"):
        reader = reading(configured(emulator, transport), StartAt(offset), Position(offset, 39))
        reader.until_events(10)
        assert reader.numbers == list(range(40, 50))
        assert (reader.receiver.gaps, reader.receiver.duplicates) == (0, 0)


def test_large_events_bring_the_credit_down(emulator: Emulator, reading: Reading, transport: str) -> None:
    emulator.send_many(("dev-1", b"x" * 200_000, {}) for _ in range(60))
    reader = reading(configured(emulator, transport))
    before = reader.transport.credit
    reader.until_events(60)
    assert reader.transport.credit < before / 10
    assert [event.size for event in reader.events] == [200_000] * 60


def test_a_link_for_which_no_thread_can_be_started_is_tried_again(
    emulator: Emulator, reading: Reading, transport: str
) -> None:
    fill(emulator, 3)
    with no_more_threads():
        reader = reading(configured(emulator, transport))
        reader.receiver.poll(0.1)
        assert "no process or thread can be started" in (reader.receiver.trouble or "")
        reader.receiver.poll(0.1)
    reader.until_events(3)
    assert reader.receiver.reconnects["scarcity"] > 0


def test_who_shares_with_other_processors_gives_way_to_one_that_has_claimed_the_partition(
    emulator: Emulator, reading: Reading, transport: str
) -> None:
    """They all have owner level 0."""
    config = replace(configured(emulator, transport), cluster=Cluster("blob"))
    mine = reading(config)
    mine.until(lambda: mine.receiver.attached)
    theirs = reading(config)
    theirs.transport._owner = OwnerLevel(fixed=0)  # type: ignore[attr-defined]
    mine.receiver.hold()
    theirs.until(lambda: theirs.receiver.attached)
    mine.until(lambda: mine.receiver.reconnects["stolen"] == 1)
    assert theirs.receiver.reconnects["stolen"] == 0


def test_a_later_reader_gets_in_whatever_its_clock_says_and_the_earlier_one_stays_out(
    emulator: Emulator, reading: Reading, transport: str
) -> None:
    """As when a node takes over from one that was cut off, whose link the hub still holds."""
    earlier = reading(configured(emulator, transport))
    earlier.until(lambda: earlier.receiver.attached)
    later = reading(configured(emulator, transport))
    later.transport._owner = OwnerLevel(lambda: 1)  # type: ignore[attr-defined]  # 1970
    later.until(lambda: later.receiver.attached)
    assert later.receiver.reconnects["stolen"] == 1
    earlier.until(lambda: earlier.receiver.reconnects["stolen"] >= 3)
    fill(emulator, 3)
    later.until_events(3)
    assert later.receiver.reconnects["stolen"] == 1
    assert earlier.events == []
