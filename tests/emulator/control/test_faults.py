"""Every fault, seen from a client frame by frame."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from ingest.amqp.message import decode_message
from ingest.amqp.performatives import Close, Detach, Error, Flow, Transfer
from ingest.emulator import Emulator
from ingest.emulator.amqp.sas import sign
from ingest.emulator.keys import POLICY
from tests.emulator.raw_client import RawClient
from tests.emulator.test_receivers import attach, fill, refusal, sequences

Connect = Callable[[], RawClient]
SECONDS = 10.0
BODY = b"\x00\x53\x77\x40"


def error_of(performative: Detach | Close) -> Error:
    assert isinstance(performative.error, Error)
    return performative.error


def nothing_comes(client: RawClient) -> None:
    """A flow that is echoed after everything that was due: what would come had come before it."""
    client.flow(None, None, echo=True)
    performative, _ = client.receive_any()
    assert isinstance(performative, Flow)


def test_detach(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    attach(client, emulator, partition="0", handle=0)
    attach(client, emulator, partition="1", handle=1)
    assert emulator.faults.detach("com.microsoft:entity-updated", "changed", partition="1") == 1
    detach = client.receive(Detach)
    assert (detach.handle, detach.closed) == (1, True)
    assert error_of(detach) == Error(condition="com.microsoft:entity-updated", description="changed")
    assert emulator.faults.detach(count=5) == 1
    assert client.receive(Detach).handle == 0
    assert emulator.stats().receivers == 0


def test_close(emulator: Emulator, connect: Connect) -> None:
    client, other = connect(), connect()
    attach(client, emulator, partition="0")
    attach(other, emulator, partition="1")
    assert emulator.faults.close("amqp:connection:forced", "bye", partition="0") == 1
    assert error_of(client.receive(Close)) == Error(condition="amqp:connection:forced", description="bye")
    client.send(Close())
    emulator.wait_for(lambda stats: stats.connections == 1, SECONDS)
    assert emulator.faults.close() == 1
    other.receive(Close)


def test_abort(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    attach(client, emulator)
    assert emulator.faults.abort(partition="1") == 0
    assert emulator.faults.abort(partition="0") == 1
    with pytest.raises(ConnectionResetError):
        client.next_item()
    emulator.wait_for(lambda stats: stats.connections == 0 and stats.receivers == 0, SECONDS)


def test_refuse_attach_so_many_times(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    emulator.faults.refuse_attach("amqp:internal-error", "not today", partition="0", count=2)
    attach(client, emulator, partition="1", handle=9)
    for handle in range(2):
        client.attach_receiver(emulator.hub.name, handle=handle)
        assert refusal(client) == Error(condition="amqp:internal-error", description="not today")
    attach(client, emulator, handle=2)
    assert emulator.stats().partitions["0"].refused == 2


def test_refuse_attach_until_cleared(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    emulator.faults.refuse_attach()
    for handle in range(3):
        client.attach_receiver(emulator.hub.name, handle=handle)
        refusal(client)
    emulator.faults.clear()
    attach(client, emulator, handle=3)


def test_refuse_cbs(emulator: Emulator) -> None:
    emulator.faults.refuse_cbs(count=1)
    audience = f"sb://h/{emulator.hub.name}"
    token = sign(audience, emulator.keys.service.encode(), int(time.time()) + 60, POLICY)
    for expected in (401, 202):
        with RawClient(emulator.endpoints.amqp) as client:
            client.open()
            assert client.put_token(audience, token)[0] == expected


def test_starve(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 3)
    client = connect()
    attach(client, emulator)
    emulator.faults.starve(partition="0")
    client.flow(0, 10)
    nothing_comes(client)
    emulator.faults.clear()
    assert sequences(client, 3) == [0, 1, 2]


def test_starve_the_next_to_attach(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 3)
    client = connect()
    attach(client, emulator, handle=0)
    emulator.faults.starve(count=1)
    attach(client, emulator, handle=1)
    attach(client, emulator, handle=2)
    client.flow(1, 10)
    nothing_comes(client)
    for handle in (0, 2):
        client.flow(handle, 3)
        assert sequences(client, 3) == [0, 1, 2]


def test_throttle(emulator: Emulator, connect: Connect) -> None:
    client = connect()
    attach(client, emulator)
    assert emulator.faults.throttle(count=1) == 1
    error = error_of(client.receive(Detach))
    assert error.condition == "com.microsoft:server-busy"
    assert "Error code : 50002. Please wait 4 seconds and try again." in str(error.description)
    client.attach_receiver(emulator.hub.name, handle=1)
    assert refusal(client).condition == "com.microsoft:server-busy"
    attach(client, emulator, handle=2)


def test_pause(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 2)
    client = connect()
    attach(client, emulator)
    client.flow(0, 100)
    assert sequences(client, 2) == [0, 1]
    emulator.faults.pause("0")
    fill(emulator, 2)
    fill(emulator, 1, "1")
    assert emulator.stats().partitions["0"].last_sequence_number == 3
    nothing_comes(client)
    emulator.faults.clear()
    assert sequences(client, 2) == [2, 3]


@pytest.mark.parametrize("how", ["abort", "close", "detach"])
def test_cut(emulator: Emulator, connect: Connect, how: str) -> None:
    fill(emulator, 20)
    client = connect()
    attach(client, emulator)
    emulator.faults.cut(7, partition="0", how=how)
    client.flow(0, 20)
    emulator.wait_for(lambda stats: stats.receivers == 0, SECONDS)
    assert emulator.stats().delivered == 7
    if how == "detach":
        assert sequences(client, 7) == list(range(7))
        client.receive(Detach)
    elif how == "close":
        assert sequences(client, 7) == list(range(7))
        client.receive(Close)
    again = connect()
    attach(again, emulator)
    again.flow(0, 20)
    assert sequences(again, 20) == list(range(20))


def test_delay_keeps_order_and_throughput(emulator: Emulator, connect: Connect) -> None:
    count, round_trip = 3000, 0.2
    fill(emulator, 200)
    for _ in range(count - 200):
        emulator.append("0", BODY)
    client = connect()
    attach(client, emulator)
    emulator.faults.delay(round_trip)
    started = time.monotonic()
    client.flow(0, count)
    _, payload = client.receive_with_payload(Transfer)
    assert time.monotonic() - started >= round_trip
    first = (decode_message(payload).message_annotations or {})["x-opt-sequence-number"]
    assert [first, *sequences(client, count - 1)] == list(range(count))
    emulator.faults.clear()
    attach(client, emulator, handle=1)


def test_a_late_frame_does_not_overtake_when_the_delay_ends(emulator: Emulator, connect: Connect) -> None:
    fill(emulator, 2)
    client = connect()
    attach(client, emulator)
    emulator.faults.delay(0.2)
    client.flow(0, 1)
    emulator.wait_for(lambda stats: stats.delivered == 1, SECONDS)
    emulator.faults.clear()
    client.flow(0, 1, delivery_count=1)
    assert sequences(client, 2) == [0, 1]


def test_active_faults_are_listed(emulator: Emulator) -> None:
    faults = emulator.faults
    assert faults.active() == []
    faults.refuse_attach(partition="1", count=2)
    faults.pause("0")
    faults.delay(0.5)
    assert faults.active() == [
        {"name": "refuse_attach", "partition": "1", "left": 2},
        {"name": "pause", "partition": "0", "left": None},
        {"name": "delay", "round_trip_seconds": 0.5},
    ]
    faults.clear()
    assert faults.active() == []


@pytest.mark.parametrize(
    "order",
    [
        lambda faults: faults.pause("7"),
        lambda faults: faults.detach(partition="x"),
        lambda faults: faults.refuse_attach(count=0),
        lambda faults: faults.delay(-1),
        lambda faults: faults.delay(61),
        lambda faults: faults.cut(0),
        lambda faults: faults.cut(1, how="gently"),
    ],
)
def test_orders_that_make_no_sense_are_refused(emulator: Emulator, order: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match=r".+\."):
        order(emulator.faults)
    assert emulator.faults.active() == []


def test_faults_can_be_ordered_before_the_start() -> None:
    emulator = Emulator(partitions=1)
    emulator.faults.refuse_attach(count=1)
    with emulator, RawClient(emulator.endpoints.amqp) as client:
        client.open()
        client.authorize(emulator.keys.service, emulator.hub.name)
        client.attach_receiver(emulator.hub.name)
        refusal(client)
