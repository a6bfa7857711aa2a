import random
import tracemalloc
from collections import Counter, deque

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ingest.hub.limits import COMMANDS_PER_DEVICE
from ingest.sink.commands.command import Ack, Command, Origin
from ingest.sink.intake.ticket import Ticket
from ingest.sink.pacing.device_queues import PROBE_SECONDS, QUEUE_FULL_SECONDS, RETRY_SECONDS, DeviceQueues
from ingest.sink.pacing.outstanding import OutstandingLimit


def command(device_id: str, offset: int, partition: int = 0, body: bytes = b"on", ack: Ack = "full") -> Ticket:
    origin = Origin("t", partition, offset)
    made = Command(device_id, body, f"m-{partition}-{offset}", None, None, ack, None, {}, origin)
    return Ticket(origin, command=made)


def lanes(
    *,
    max_wait_seconds: float = 100.0,
    capacity: int = 1000,
    capacity_bytes: int = 1 << 20,
    per_device: int = 200,
    places: int = 10_000,
    credit: OutstandingLimit | None = None,
) -> DeviceQueues:
    return DeviceQueues(
        max_wait_seconds=max_wait_seconds,
        capacity=capacity,
        capacity_bytes=capacity_bytes,
        per_device=per_device,
        places=places,
        credit=credit,
        rng=random.Random(1),
    )


def took(lanes: DeviceQueues, now: float) -> Ticket:
    one = lanes.take(now)
    assert one is not None
    return one


def test_one_of_each_device_is_in_flight() -> None:
    some = lanes()
    for offset, device_id in enumerate(("a", "a", "b")):
        some.offer(command(device_id, offset), 0.0)
    first, second = took(some, 0.0), took(some, 0.5)
    assert some.flying(first.command) == (first, 0.0)
    assert some.flying(second.command) == (second, 0.5)
    assert [first.origin.offset, second.origin.offset] == [0, 2]
    assert (some.take(0.0), some.wait(0.0), some.in_flight, len(some)) == (None, None, 2, 3)
    some.sent(first, 0.0)
    assert some.wait(0.0) == 0.0
    assert took(some, 0.0).origin.offset == 1


def test_devices_take_turns_whatever_their_queues() -> None:
    some = lanes()
    for offset in range(100):
        some.offer(command("busy", offset), 0.0)
    for offset in range(10):
        some.offer(command(f"d{offset}", offset, 1), 0.0)
    served: list[str] = []
    for _ in range(22):
        one = took(some, 0.0)
        served.append(one.device_id)
        some.sent(one, 0.0)
    # Eleven devices: each is served in every round until it has nothing left.
    assert Counter(served[:11]) == Counter(["busy", *(f"d{n}" for n in range(10))])
    assert served[11:] == ["busy"] * 11


def test_a_fault_that_passes_holds_its_device_for_ever_longer_and_no_other() -> None:
    some, now = lanes(), 0.0
    some.offer(command("a", 0), now)
    waits: list[float] = []
    for _ in range(12):
        one = took(some, now)
        some.retry(one, now)
        some.offer(command("b", 1), now)
        other = took(some, now)
        assert other.device_id == "b"
        some.sent(other, now)
        wait = some.wait(now)
        assert wait is not None
        assert some.take(now + wait * 0.99) is None
        waits.append(wait)
        now += wait
    assert waits[0] <= RETRY_SECONDS[0]
    assert 1.0 < max(waits) <= RETRY_SECONDS[1]
    assert took(some, now).origin.offset == 0


def test_a_full_queue_holds_its_device_until_the_longest_wait_is_over() -> None:
    some, now, tries = lanes(max_wait_seconds=100.0), 0.0, 0
    for offset in range(3):
        some.offer(command("a", offset), now)
    while some.hold(one := took(some, now), now):
        tries += 1
        wait = some.wait(now)
        assert wait is not None
        assert 0.0 < wait <= QUEUE_FULL_SECONDS[1]
        now += wait
    assert now == pytest.approx(100.0)
    assert 3 < tries < 30
    some.finish(one)
    # Those behind it have waited as long: one try each.
    for offset in (1, 2):
        one = took(some, now)
        assert one.origin.offset == offset
        assert not some.hold(one, now)
        some.finish(one)
    assert (len(some), some.in_flight, some.wait(now)) == (0, 0, None)


def test_a_queue_that_was_full_once_starts_its_wait_anew() -> None:
    some = lanes(max_wait_seconds=100.0)
    some.offer(command("a", 0), 0.0)
    assert some.hold(took(some, 0.0), 0.0)
    some.offer(command("a", 1), 0.0)
    some.sent(took(some, 99.0), 99.0)
    assert some.hold(took(some, 150.0), 150.0)


def test_a_command_that_came_late_to_a_full_queue_has_its_own_wait() -> None:
    some = lanes(max_wait_seconds=100.0)
    some.offer(command("a", 0), 0.0)
    assert some.hold(took(some, 0.0), 0.0)
    some.offer(command("a", 1), 90.0)
    one = took(some, 100.0)
    assert not some.hold(one, 100.0)
    some.finish(one)
    assert some.hold(took(some, 100.0), 100.0)
    assert not some.hold(took(some, 190.0), 190.0)


def test_what_waits_is_bounded_in_number_and_bytes() -> None:
    some = lanes(capacity=2)
    some.offer(command("a", 0), 0.0)
    assert some.has_room
    some.offer(command("a", 1), 0.0)
    assert not some.has_room
    some.sent(took(some, 0.0), 0.0)
    assert some.has_room

    some = lanes(capacity_bytes=100_000)
    some.offer(command("a", 0, body=bytes(60_000)), 0.0)
    assert some.has_room
    some.offer(command("b", 1, body=bytes(60_000)), 0.0)
    assert not some.has_room
    assert len(some.drop("t", 0)) == 2
    assert some.has_room


def test_what_is_kept_of_a_record_counts_though_its_command_is_small() -> None:
    """Headers and white space that are no part of a command, of records up to a megabyte each."""
    some = lanes(capacity_bytes=100_000)
    some.offer(command("a", 0), 0.0, kept_bytes=60_000)
    some.offer(command("b", 1), 0.0)
    assert some.has_room
    for offset in range(2, 202):
        some.offer(command("a", offset), 0.0, kept_bytes=60_000)
    assert not some.has_room
    assert some.hold(took(some, 0.0), 0.0)
    assert len(some.spill()) == 199
    assert some.has_room
    some.finish(took(some, 0.0))
    some.finish(took(some, 1.0))
    [(device_id, origin)] = some.wanted(1)
    assert some.returned(device_id, origin, command("a", origin.offset), kept_bytes=110_000)
    assert not some.has_room
    some.drop("t", 0)
    assert some._bytes == 0


def test_memory_is_what_is_said_however_many_devices_share_it() -> None:
    some = lanes(capacity=20_000, capacity_bytes=4 << 20)
    tracemalloc.start()
    try:
        for offset in range(20_000):
            if not some.has_room:
                break
            some.offer(command(f"device-{offset}", offset), 0.0)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not some.has_room
    assert taken < 4 << 20
    while (one := some.take(0.0)) is not None:
        some.finish(one)
    assert some._bytes == 0


def test_credit_lets_fifty_wait_for_feedback() -> None:
    some = lanes(credit=OutstandingLimit(seconds=3600.0))
    for offset in range(60):
        some.offer(command("a", offset), 0.0)
    some.offer(command("b", 60), 0.0)
    sent = []
    while (one := some.take(0.0)) is not None:
        some.sent(one, 0.0)
        sent.append(one.device_id)
    assert Counter(sent) == {"a": COMMANDS_PER_DEVICE, "b": 1}
    assert some.wait(0.0) == PROBE_SECONDS
    some.feedback("a", "unknown", 1.0)
    some.feedback("b", "m-0-0", 1.0)
    assert some.take(1.0) is None
    some.feedback("a", "m-0-0", 1.0)
    assert some.wait(1.0) == 0.0
    assert took(some, 1.0).origin.offset == 50


def test_feedback_that_is_lost_costs_its_credit_for_a_while_only() -> None:
    some = lanes(credit=OutstandingLimit(seconds=30.0, per_device=2))
    for offset in range(4):
        some.offer(command("a", offset), float(offset))
        if (one := some.take(float(offset))) is not None:
            some.sent(one, float(offset))
    assert some.wait(29.0) == 1.0
    some.sent(took(some, 30.0), 30.0)
    assert some.take(30.0) is None
    assert took(some, 31.0).origin.offset == 3


def test_a_device_without_credit_is_tried_now_and_then_and_given_up_after_the_wait() -> None:
    """The hub knows whether the queue is full: its feedback may be lost, or late."""
    some = lanes(credit=OutstandingLimit(seconds=3600.0, per_device=1), max_wait_seconds=150.0)
    for offset in range(4):
        some.offer(command("a", offset), 0.0)
    some.sent(took(some, 0.0), 0.0)
    assert some.take(0.0) is None
    assert some.take(PROBE_SECONDS - 1) is None
    some.sent(took(some, PROBE_SECONDS), PROBE_SECONDS)
    assert some.take(PROBE_SECONDS) is None, "the hub took it, and that counts"
    now, tries = PROBE_SECONDS, 0
    while True:
        wait = some.wait(now)
        assert wait is not None
        now += wait
        one = some.take(now)
        if one is None:
            continue
        tries += 1
        if not some.hold(one, now):
            break
    assert now == pytest.approx(PROBE_SECONDS + 150.0)
    assert 1 < tries < 10
    assert some.waited(one, now) == "it has waited 150 s for feedback on the device's messages before it"
    some.finish(one)
    assert not some.hold(took(some, now), now), "it has waited as long"


def test_a_device_that_takes_one_without_credit_has_all_of_it_again() -> None:
    """Feedback was lost: else the device would go on with one command for each try."""
    some = lanes(credit=OutstandingLimit(seconds=3600.0))
    for offset in range(COMMANDS_PER_DEVICE + 40):
        some.offer(command("a", offset), 0.0)
    for _ in range(COMMANDS_PER_DEVICE):
        some.sent(took(some, 0.0), 0.0)
    assert some.take(0.0) is None
    some.sent(took(some, PROBE_SECONDS), PROBE_SECONDS)
    for _ in range(39):
        some.sent(took(some, PROBE_SECONDS), PROBE_SECONDS)
    some.feedback("a", "m-0-0", PROBE_SECONDS)  # late, and of no account any more
    assert some.take(PROBE_SECONDS) is None
    for offset in range(100, 120):
        some.offer(command("a", offset), PROBE_SECONDS)
    for _ in range(COMMANDS_PER_DEVICE - 40):
        some.sent(took(some, PROBE_SECONDS), PROBE_SECONDS)
    assert some.take(PROBE_SECONDS) is None, "those count again"


def test_feedback_wakes_a_device_whose_queue_was_full() -> None:
    some = lanes(credit=OutstandingLimit(seconds=3600.0, per_device=1))
    for offset in range(2):
        some.offer(command("a", offset), 0.0)
    some.sent(took(some, 0.0), 0.0)
    assert some.take(0.0) is None
    assert some.hold(took(some, PROBE_SECONDS), PROBE_SECONDS)
    assert some.take(PROBE_SECONDS) is None
    some.feedback("a", "m-0-0", PROBE_SECONDS)
    assert took(some, PROBE_SECONDS).origin.offset == 1


def test_a_fault_of_one_device_ends_and_one_of_all_does_not() -> None:
    some = lanes(max_wait_seconds=100.0)
    some.offer(command("a", 0), 0.0)
    now = 0.0
    while now < 1000.0:
        assert some.retry(took(some, now), now)
        now += 10.0
    began = now
    while some.retry(one := took(some, now), now, blamed=True):
        now += 10.0
    assert now == began + 100.0
    assert some.waited(one, now) == "it has waited 100 s for the hub to take it, which took others"


def test_what_is_behind_a_full_lane_is_read_again_in_order_and_keeps_its_wait() -> None:
    some = lanes(per_device=4, max_wait_seconds=100.0)
    kept = [some.offer(command("a", offset, offset // 6), float(offset)) for offset in range(10)]
    assert kept == [True] * 4 + [False] * 6
    assert (len(some), some.deferred, some.wanted(10)) == (4, 6, [])
    assert some.offer(command("b", 99), 0.0)
    sent: list[tuple[str, int]] = []
    while len(sent) < 11:
        one = took(some, 10.0)
        sent.append((one.device_id, one.origin.offset))
        if one.origin.offset == 9:
            assert some.hold(one, 10.0)
            wait = some.wait(109.0)
            assert wait is not None
            one = took(some, 109.5)
            assert not some.hold(one, 110.0), "it was read at 9 s, and tried at 10 s"
            some.finish(one)
        else:
            some.sent(one, 10.0)
        for device_id, origin in some.wanted(10):
            assert some.returned(device_id, origin, command(device_id, origin.offset, origin.partition))
            assert not some.returned(device_id, origin, command(device_id, origin.offset, origin.partition))
    assert [offset for device_id, offset in sent if device_id == "a"] == [*range(10)]
    assert (len(some), some.deferred, some.trouble) == (0, 0, None)


def test_a_device_that_takes_none_keeps_one_command_when_others_need_the_room() -> None:
    some = lanes(capacity=100, per_device=60, places=1000)
    for device_id in "ab":
        for offset in range(60):
            some.offer(command(device_id, offset), 0.0)
    some.hold(took(some, 0.0), 0.0)
    assert not some.has_room
    spilled = some.spill()
    assert [origin.offset for origin in spilled] == [*range(1, 60)]
    assert (some.has_room, len(some), some.deferred, some.spill(), some.trouble) == (True, 61, 59, [], None)
    assert some.wanted(1000) == [], "it takes none"
    some.sent(took(some, 0.0), 0.0)  # b
    some.sent(took(some, 0.5), 0.5)  # b
    while (one := took(some, 2.0)).device_id == "b":
        some.sent(one, 2.0)
    some.sent(one, 2.0)
    assert [origin.offset for _, origin in some.wanted(3)] == [1, 2, 3]


def test_the_places_are_bounded_too_and_it_is_said() -> None:
    some = lanes(per_device=1, places=5)
    for offset in range(6):
        some.offer(command("a", offset), 0.0)
        assert some.has_room == (offset < 5)
    some.hold(took(some, 0.0), 0.0)
    assert some.trouble == "6 commands wait, most of them for devices that take none (1 now), and no more are read"
    some.drop("t", 0)
    assert (some.has_room, some.deferred, len(some)) == (True, 0, 0)


def test_commands_that_are_gone_when_they_are_read_again_let_the_next_go() -> None:
    some = lanes(per_device=1)
    for offset in range(4):
        some.offer(command("a", offset), 0.0)
    some.sent(took(some, 0.0), 0.0)
    [(device_id, first)] = some.wanted(1)
    assert some.returned(device_id, first, None)
    assert not some.returned("b", first, None)
    [(_, second)] = some.wanted(5)
    assert second.offset == 2
    some.drop("t", 0)
    assert not some.returned("a", second, command("a", 2))
    assert (len(some), some.take(0.0)) == (0, None)


def test_a_command_without_full_feedback_costs_no_credit() -> None:
    some = lanes(credit=OutstandingLimit(seconds=3600.0, per_device=1))
    for offset in range(3):
        some.offer(command("a", offset, ack="positive"), 0.0)
        some.sent(took(some, 0.0), 0.0)
    assert len(some) == 0


def test_credit_remembers_no_more_than_its_capacity() -> None:
    credit = OutstandingLimit(seconds=3600.0, per_device=2, capacity=3)
    for number, device_id in enumerate("aabb"):
        credit.spend(device_id, str(number), 0.0)
    assert (credit.has("a"), credit.has("b")) == (True, False)
    assert credit.freed(0.0) == ["a"]


def test_a_message_that_is_sent_again_counts_once() -> None:
    credit = OutstandingLimit(seconds=3600.0, per_device=2)
    for now in (0.0, 1.0):
        credit.spend("a", "m", now)
    assert credit.has("a")
    assert credit.end() == 3601.0
    credit.give_back("a", "m")
    assert (credit.has("a"), credit.end()) == (True, None)


def test_a_revoked_partition_leaves_only_what_is_in_flight_and_that_is_not_tried_again() -> None:
    some = lanes()
    for offset, (device_id, partition) in enumerate([("a", 0), ("a", 0), ("a", 1), ("b", 0), ("c", 0), ("d", 0)]):
        some.offer(command(device_id, offset, partition), 0.0)
    in_flight, held, full, other = (took(some, 0.0) for _ in range(4))
    some.retry(held, 0.0)
    dropped = some.drop("t", 0)
    assert [one.origin.offset for one in dropped] == [1, 3]
    some.retry(in_flight, 0.0)
    assert some.hold(full, 0.0)
    some.sent(other, 0.0)
    remaining = took(some, 60.0)
    assert remaining.origin == Origin("t", 1, 2)
    some.sent(remaining, 60.0)
    assert (len(some), some.in_flight, some.take(60.0), some.wait(60.0), some.has_room) == (0, 0, None, None, True)


def test_what_is_not_in_flight_cannot_be_finished() -> None:
    some = lanes()
    some.offer(command("a", 0), 0.0)
    one = took(some, 0.0)
    some.retry(one, 0.0)
    with pytest.raises(ValueError, match="not in flight"):
        some.finish(one)
    for never_taken in (command("a", 0), command("b", 0)):
        with pytest.raises(ValueError, match="not in flight"):
            some.sent(never_taken, 0.0)


class AgainstAHub(RuleBasedStateMachine):
    """Every interleaving of offers, answers, faults, feedback, time and revoked partitions."""

    CREDIT = 3
    MAX_WAIT = 30.0

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lanes = lanes(
            max_wait_seconds=self.MAX_WAIT,
            credit=OutstandingLimit(seconds=1000.0, per_device=self.CREDIT),
            capacity=20,
            per_device=4,
        )
        self.kafka: dict[Origin, Ticket] = {}
        self.offset = 0
        self.offered_at: list[float] = []
        self.dropped: set[int] = set()
        """Commands in flight whose partition was revoked, by offset."""
        self.expected: dict[str, deque[Ticket]] = {}
        self.flying: list[Ticket] = []
        self.outstanding: dict[str, list[str]] = {}

    def gone(self, one: Ticket) -> None:
        assert self.expected[one.device_id].popleft() is one, "in order"

    @precondition(lambda self: self.lanes.has_room)
    @rule(device_id=st.sampled_from("abc"), partition=st.integers(0, 1))
    def offer(self, device_id: str, partition: int) -> None:
        one = command(device_id, self.offset, partition)
        self.offset += 1
        self.offered_at.append(self.now)
        self.kafka[one.origin] = one
        self.lanes.offer(one, self.now)
        self.expected.setdefault(device_id, deque()).append(one)

    @rule()
    def take(self) -> None:
        one = self.lanes.take(self.now)
        if one is not None:
            assert self.expected[one.device_id][0] is one, "in order"
            assert one.device_id not in {other.device_id for other in self.flying}, "one in flight"
            if len(self.outstanding.get(one.device_id, ())) >= self.CREDIT:
                assert self.now - self.offered_at[one.origin.offset] >= min(self.MAX_WAIT, PROBE_SECONDS), "to be tried"
            self.flying.append(one)

    @precondition(lambda self: not self.lanes.has_room)
    @rule()
    def spill(self) -> None:
        spilled = self.lanes.spill()
        assert not {one.origin for one in self.flying} & {*spilled}

    @rule(count=st.integers(1, 10), gone=st.integers(0, 9))
    def read_again(self, count: int, gone: int) -> None:
        wanted = self.lanes.wanted(count)
        assert len(wanted) <= count
        for number, (device_id, origin) in enumerate(wanted):
            one = self.kafka[origin]
            assert one.device_id == device_id
            assert self.lanes.returned(device_id, origin, None if number == gone else one)
            if number == gone:
                self.expected[device_id].remove(one)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), answer=st.sampled_from(["taken", "taken", "retry", "blamed", "full", "dead"]))
    def answer(self, data: st.DataObject, answer: str) -> None:
        one = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        dropped = one.origin.offset in self.dropped
        if answer == "taken":
            self.lanes.sent(one, self.now)
            self.outstanding.setdefault(one.device_id, []).append(one.command.message_id)
        elif answer == "retry":
            self.lanes.retry(one, self.now)
        elif answer in ("full", "blamed"):
            goes_on = (
                self.lanes.hold(one, self.now) if answer == "full" else self.lanes.retry(one, self.now, blamed=True)
            )
            if not goes_on:
                assert self.now - self.offered_at[one.origin.offset] >= self.MAX_WAIT
                self.lanes.finish(one)
                self.gone(one)
                return
        else:
            self.lanes.finish(one)
        if answer in ("taken", "dead") or dropped:
            self.gone(one)

    @rule(device_id=st.sampled_from("abc"))
    def feedback(self, device_id: str) -> None:
        if self.outstanding.get(device_id):
            self.lanes.feedback(device_id, self.outstanding[device_id].pop(0), self.now)

    @rule(seconds=st.floats(0.0, 20.0))
    def time_passes(self, seconds: float) -> None:
        self.now = min(self.now + seconds, 900.0)

    @rule(partition=st.integers(0, 1))
    def revoke(self, partition: int) -> None:
        dropped = self.lanes.drop("t", partition)
        in_flight = {one.origin.offset for one in self.flying}
        self.dropped |= {one.origin.offset for one in self.flying if one.origin.partition == partition}
        for device_id, queue in self.expected.items():
            self.expected[device_id] = deque(
                one for one in queue if one.origin.partition != partition or one.origin.offset in in_flight
            )
        assert all(one.origin.partition == partition for one in dropped)

    @invariant()
    def counts_are_right(self) -> None:
        assert len(self.lanes) + self.lanes.deferred == sum(map(len, self.expected.values()))
        assert self.lanes.in_flight == len(self.flying)

    def teardown(self) -> None:
        """The faults end: nothing is stuck, and `wait` alone tells when to go on."""
        for one in self.flying:
            self.lanes.sent(one, self.now)
            self.outstanding.setdefault(one.device_id, []).append(one.command.message_id)
            self.gone(one)
        for device_id, messages in self.outstanding.items():
            for message_id in messages:
                self.lanes.feedback(device_id, message_id, self.now)
        while len(self.lanes) + self.lanes.deferred:
            self.read_again(10, -1)
            wait = self.lanes.wait(self.now)
            assert wait is not None
            assert wait <= QUEUE_FULL_SECONDS[1]
            self.now += wait
            again = self.lanes.take(self.now)
            # The clock may be a rounding error short of the end of a wait.
            if again is None:
                self.now += 0.001
                continue
            self.lanes.sent(again, self.now)
            self.gone(again)
            self.lanes.feedback(again.device_id, again.command.message_id, self.now)
        assert not any(self.expected.values())


TestAgainstAHub = AgainstAHub.TestCase
