"""Receivers frame by frame: positions, epochs, limits, credit, windows, splitting."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.amqp.encoding import encode
from ingest.amqp.frames import Frame, decode_body
from ingest.amqp.message import decode_message
from ingest.amqp.performatives import SETTLED, Attach, Detach, Error, Flow, Source, Target, Transfer
from ingest.amqp.types import Described, Int, Symbol, UByte, UInt, ULong
from ingest.emulator import Emulator
from tests.emulator.raw_client import SELECTOR, RawClient

Connect = Callable[..., RawClient]
SECONDS = 10.0
EPOCH = Symbol("com.microsoft:epoch")


def fill(emulator: Emulator, count: int, partition: str = "0") -> None:
    for index in range(count):
        emulator.append(partition, b"\x00\x53\x75\xa0\x01%c" % index, enqueued_at_ms=1_000_000 + 10 * index)


def sequences(client: RawClient, count: int) -> list[int]:
    found = []
    for _ in range(count):
        _, payload = client.receive_with_payload(Transfer)
        found.append((decode_message(payload).message_annotations or {})["x-opt-sequence-number"])
    return found


def refusal(client: RawClient) -> Error:
    """The error of an attach that is refused the way the service does it."""
    attach = client.receive_attach()
    assert (attach.source, attach.target, attach.initial_delivery_count) == (None, None, None)
    detach = client.receive(Detach)
    assert detach.closed
    assert isinstance(detach.error, Error)
    return detach.error


def attach(client: RawClient, emulator: Emulator, **arguments: Any) -> Attach:
    client.attach_receiver(emulator.hub.name, **arguments)
    answer = client.receive_attach()
    assert answer.source is not None
    return answer


def test_the_answer_to_an_attach(emulator: Emulator, connect: Connect) -> None:
    answer = attach(connect(), emulator, handle=3)
    assert answer.role is False
    assert answer.snd_settle_mode == SETTLED
    assert answer.initial_delivery_count == 0
    assert answer.handle == 3


@pytest.mark.parametrize(
    ("selector", "first"),
    [
        (None, 0),
        ("amqp.annotation.x-opt-offset > '-1'", 0),
        ("amqp.annotation.x-opt-offset > '{offset_3}'", 4),
        ("amqp.annotation.x-opt-offset >= '{offset_3}'", 3),
        ("amqp.annotation.x-opt-sequence-number > '3'", 4),
        ("amqp.annotation.x-opt-sequence-number >= '3'", 3),
        ("amqp.annotation.x-opt-sequence-number >= '-1'", 0),
        ("amqp.annotation.x-opt-enqueued-time > '1000030'", 4),
        ("amqp.annotation.x-opt-enqueued-time >= '1000030'", 3),
        ("amqp.annotation.x-opt-enqueued-time > '1000025'", 3),
        ("amqp.annotation.x-opt-enqueued-time > '5'", 0),
        ("amqp.annotation.x-opt-enqueuedtimeutc > 1000030", 4),
        ("amqp.annotation.x-opt-enqueuedtimeutc > '1000030'", 4),
        ("amqp.annotation.x-opt-sequence-number>3", 4),
    ],
)
def test_positions(emulator: Emulator, connect: Connect, selector: str | None, first: int) -> None:
    fill(emulator, 3)
    offset = emulator.append("0", b"\x00\x53\x77\x40", enqueued_at_ms=1_000_030).offset
    emulator.append("0", b"\x00\x53\x77\x40", enqueued_at_ms=1_000_040)
    client = connect()
    attach(client, emulator, selector=selector and selector.format(offset_3=offset))
    client.flow(0, 5 - first)
    assert sequences(client, 5 - first) == list(range(first, 5))


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (
            "amqp.annotation.x-opt-offset > '99999999'",
            "The supplied offset '99999999' is invalid. The last offset in the system is '{last}'",
        ),
        (
            "amqp.annotation.x-opt-sequence-number > '7'",
            "The supplied sequence number '7' is invalid. The last sequence number in the system is '2'",
        ),
        ("amqp.annotation.x-opt-offset > 'xyz'", "not understood"),
        ("amqp.annotation.x-opt-offset > '1", "not understood"),
        ("amqp.annotation.x-opt-offset > ", "not understood"),
        ("colour = 'red'", "not understood"),
    ],
)
def test_positions_that_cannot_be(emulator: Emulator, connect: Connect, selector: str, text: str) -> None:
    fill(emulator, 3)
    client = connect()
    client.attach_receiver(emulator.hub.name, selector=selector)
    error = refusal(client)
    assert error.condition == "com.microsoft:argument-error"
    assert text.format(last=emulator.stats().partitions["0"].last_offset) in str(error.description)


def test_the_end_of_the_log_is_a_position(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 3)
    client = connect()
    attach(client, emulator, selector="amqp.annotation.x-opt-sequence-number > '2'")
    client.flow(0, 10)
    fill(emulator, 1)
    assert sequences(client, 1) == [3]


def test_what_retention_dropped_is_skipped() -> None:
    with Emulator(partitions=1, retention_events=10) as emulator:
        first = emulator.send("d", b"x")
        for _ in range(199):
            emulator.send("d", b"x")
        assert emulator.stats().partitions["0"].begin_sequence_number == 190
        with RawClient(emulator.endpoints.amqp) as client:
            client.open()
            client.authorize(emulator.keys.service, emulator.hub.name)
            attach(client, emulator, selector=f"amqp.annotation.x-opt-offset > '{first.offset}'")
            client.flow(0, 100)
            assert sequences(client, 10) == list(range(190, 200))


@pytest.mark.parametrize(
    "address",
    [
        "{hub}x/ConsumerGroups/$Default/Partitions/0",
        "{hub}/ConsumerGroups/nobody/Partitions/0",
        "{hub}/ConsumerGroups/$Default/Partitions/2",
        "{hub}/elsewhere",
    ],
)
def test_what_is_not_there(emulator: Emulator, address: str) -> None:
    hub = emulator.hub.name
    with RawClient(emulator.endpoints.amqp) as client:
        client.open()
        client.authorize(emulator.keys.service, "")
        path = address.format(hub=hub).split("/")
        client.attach_address("amqps://anywhere/" + "/".join(path))
        error = refusal(client)
    assert error.condition == "amqp:not-found"
    assert "could not be found" in str(error.description)


def test_addresses_are_read_without_regard_to_case(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    client.attach_address(f"/{emulator.hub.name.upper()}/consumergroups/$DEFAULT/PARTITIONS/0")
    assert client.receive_attach().source is not None


def test_a_sixth_reader_is_refused(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    for handle in range(5):
        attach(client, emulator, handle=handle)
    client.attach_receiver(emulator.hub.name, handle=5)
    assert refusal(client).condition == "amqp:resource-limit-exceeded"
    client.send(Detach(handle=2, closed=True))
    client.receive(Detach)
    attach(client, emulator, handle=6)
    assert emulator.stats().partitions["0"].refused == 1


def test_epochs(emulator: Emulator, connect: Connect) -> None:
    client = connect()

    def stolen(handle: int) -> str:
        detach = client.receive(Detach)
        assert detach.handle == handle
        assert isinstance(detach.error, Error)
        assert detach.error.condition == "amqp:link:stolen"
        return str(detach.error.description)

    attach(client, emulator, handle=0)
    client.attach_receiver(emulator.hub.name, handle=1, properties={EPOCH: 1})
    assert "higher epoch of '1'" in stolen(0)
    client.attach_receiver(emulator.hub.name, handle=2, properties={EPOCH: 1})
    assert "epoch '1' is getting disconnected" in stolen(1)
    client.attach_receiver(emulator.hub.name, handle=3)
    assert "non-epoch receiver is not allowed" in str(refusal(client).description)
    client.attach_receiver(emulator.hub.name, handle=4, properties={EPOCH: 0})
    assert "higher epoch '1' already exists" in str(refusal(client).description)
    (receiver,) = emulator.stats().partitions["0"].receivers
    assert receiver.epoch == 1


def test_no_more_is_delivered_than_was_granted(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 100)
    client = connect()
    attach(client, emulator)
    client.flow(0, 7)
    assert sequences(client, 7) == list(range(7))
    client.flow(0, 3, delivery_count=7, echo=True)
    echo = client.receive(Flow)
    assert (echo.delivery_count, echo.link_credit) == (7, 3)
    assert sequences(client, 3) == [7, 8, 9]
    client.flow(0, 0, delivery_count=10, echo=True)
    echo = client.receive(Flow)
    assert (echo.delivery_count, echo.link_credit) == (10, 0)


def test_credit_counts_from_where_the_client_was(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 100)
    client = connect()
    attach(client, emulator)
    client.flow(0, 5)
    assert sequences(client, 5) == list(range(5))
    client.flow(0, 5, delivery_count=3)
    assert client.all_transfers() == 3
    client.flow(0, 1, delivery_count=3)
    assert client.all_transfers() == 0


def test_the_window_counts_from_where_the_client_was(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 100)
    client = connect(window=4)
    attach(client, emulator)
    client.flow(0, 50)
    assert sequences(client, 4) == list(range(4))
    assert client.all_transfers() == 0
    client.flow(None, None, next_incoming_id=1 + client.transfers - 2)
    assert client.all_transfers() == 2


def test_draining_uses_up_the_credit(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 3)
    client = connect()
    attach(client, emulator)
    client.flow(0, 10, drain=True)
    assert sequences(client, 3) == [0, 1, 2]
    answer = client.receive(Flow)
    assert (answer.delivery_count, answer.link_credit) == (10, 0)


MOST = (1 << 32) - 1


@pytest.mark.parametrize("credit", [MOST, 1 << 31, (1 << 31) + 1, MOST - 1])
@pytest.mark.parametrize("window", [MOST, 1 << 31, (1 << 31) + 1])
def test_any_credit_and_window_may_be_asked_for(emulator: Emulator, connect: Connect, credit: int, window: int) -> None:
    """A client may say "as much as there is"; it gets that, as often as it says so."""
    fill(emulator, 5)
    client = connect(window=window)
    attach(client, emulator)
    for done in range(0, 15, 5):
        client.flow(0, credit, delivery_count=done, echo=True)
        assert sequences(client, 5) == list(range(done, done + 5))
        fill(emulator, 5)
    assert sequences(client, 5) == list(range(15, 20))
    assert emulator.stats().partitions["0"].receivers[0].credit == credit - 10


def test_draining_an_endless_credit_comes_after_all_that_there_is(emulator: Emulator, connect: Connect) -> None:
    """More than goes out in one turn, through a window that is smaller still."""
    for _ in range(3):
        fill(emulator, 250)
    client = connect(window=100)
    attach(client, emulator)
    client.flow(0, MOST, drain=True)
    assert sequences(client, 100) == list(range(100))
    client.window = 400
    client.flow(None, None)
    assert sequences(client, 400) == list(range(100, 500))
    client.flow(None, None)
    assert sequences(client, 250) == list(range(500, 750))
    answer = client.receive(Flow)
    assert (answer.delivery_count, answer.link_credit) == (MOST, 0)
    fill(emulator, 1)
    assert client.all_transfers() == 0


def test_a_drained_link_goes_on_with_new_credit(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    attach(client, emulator)
    client.flow(0, MOST, drain=True)
    assert client.receive(Flow).delivery_count == MOST
    fill(emulator, 3)
    client.flow(0, 3, delivery_count=MOST)
    assert sequences(client, 3) == [0, 1, 2]
    client.flow(0, MOST, delivery_count=2, echo=True)
    assert (client.receive(Flow).delivery_count, emulator.stats().partitions["0"].receivers[0].credit) == (2, MOST)


@pytest.mark.parametrize("descriptor", [ULong(0x468C00000004), ULong(0), Symbol(SELECTOR)])
def test_the_answer_to_an_attach_holds_what_was_sent_in_its_types(
    emulator: Emulator, connect: Connect, descriptor: object
) -> None:
    """Go's client looks its filter up by the number, and Java's reads each property as the type that it sent."""
    client = connect()
    filters = {Symbol(SELECTOR): Described(descriptor, "amqp.annotation.x-opt-offset > '-1'")}
    properties = {Symbol("i"): Int(0), Symbol("u"): UInt(7), Symbol("ub"): UByte(1), Symbol("ul"): ULong(3), EPOCH: 5}
    address = f"{emulator.hub.name}/ConsumerGroups/$Default/Partitions/0"
    source = Source(address=address, filter=filters)
    client.send(Attach(name="typed", handle=0, role=True, source=source, target=Target(), properties=properties))
    while True:
        item = client.next_item()
        assert isinstance(item, Frame)
        answer, _ = decode_body(item.body, typed=True)
        if isinstance(answer, Attach) and answer.handle == 0:
            break
    assert isinstance(answer.source, Source)
    assert answer.source.encode() == source.encode()
    assert encode(answer.properties) == encode(properties)
    assert emulator.stats().partitions["0"].receivers[0].epoch == 5


def test_every_transfer_has_all_fields_and_its_own_number(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 3)
    client = connect()
    attach(client, emulator, handle=2)
    client.flow(2, 3)
    for number in range(1, 4):  # 0 was the answer to put-token
        transfer = client.receive(Transfer)
        assert (transfer.handle, transfer.delivery_id, transfer.settled, transfer.more) == (2, number, True, False)
        assert transfer.delivery_tag == number.to_bytes(4, "big")


@pytest.mark.parametrize("window", [1, 3, 65_536])
def test_large_deliveries_are_split_and_keep_to_the_window(emulator: Emulator, connect: Connect, window: int) -> None:
    body = bytes(range(256)) * 20
    emulator.hub.append("0", b"\x00\x53\x75\xb0" + len(body).to_bytes(4, "big") + body)
    emulator.hub.append("0", b"\x00\x53\x75\xa0\x01x")
    client = connect(max_frame_size=1024, window=window)
    attach(client, emulator)
    client.flow(0, 2)
    parts, frames, ended = b"", 0, 0
    while ended < 2:
        transfer, payload = client.receive_with_payload(Transfer)
        parts += payload
        frames += 1
        ended += not transfer.more
        assert transfer.delivery_id == 1 + ended - (not transfer.more)
        assert len(payload) <= 1024
        if frames % window == 0:
            assert client.all_transfers() == 0
            client.flow(None, None)
    assert frames == 7
    assert body in parts


def test_runtime_metrics_only_when_asked_for(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 2)
    client = connect()
    attach(client, emulator, desired_capabilities=("com.microsoft:enable-receiver-runtime-metric",))
    attach(client, emulator, handle=1)
    client.flow(0, 1)
    annotations = decode_message(client.receive_with_payload(Transfer)[1]).delivery_annotations
    assert annotations is not None
    assert annotations["last_enqueued_sequence_number"] == 1
    assert annotations["last_enqueued_offset"] == str(emulator.stats().partitions["0"].last_offset)
    assert annotations["last_enqueued_time_utc"] == 1_000_010
    client.flow(1, 1)
    assert decode_message(client.receive_with_payload(Transfer)[1]).delivery_annotations is None


def test_a_detach_is_answered(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    attach(client, emulator)
    client.send(Detach(handle=0, closed=True))
    assert client.receive(Detach).closed
    emulator.wait_for(lambda stats: stats.receivers == 0, SECONDS)


def test_many_events_reach_a_reader_that_is_slow(emulator: Emulator, connect: Connect) -> None:
    count = 20_000
    assert emulator.send_many(("device", b"x" * 500, {}) for _ in range(count)) == count
    partition = emulator.partition_of("device")
    client = connect()
    client.window = 1 << 20
    attach(client, emulator, partition=partition)
    client.flow(0, count)
    assert sequences(client, count) == list(range(count))
    assert emulator.stats().partitions[partition].delivered == count
