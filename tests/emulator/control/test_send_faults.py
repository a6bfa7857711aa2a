"""Faults of sends and of the links that carry them, as a service sees them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ingest.amqp.performatives import Accepted, Close, Detach, Disposition, Error, Rejected, Released
from ingest.emulator import Emulator
from tests.emulator.c2d_clock import message
from tests.emulator.c2d_raw import Service, authorize
from tests.emulator.raw_client import RawClient
from tests.emulator.test_receivers import refusal

SECONDS = 10.0
Connect = Callable[[], Service]


@pytest.fixture
def connect(emulator: Emulator) -> Iterator[Connect]:
    with ExitStack() as stack:

        def connected() -> Service:
            client = stack.enter_context(RawClient(emulator.endpoints.amqp))
            client.open()
            authorize(client, emulator)
            return Service(client)

        yield connected


@pytest.fixture
def service(connect: Connect) -> Service:
    made = connect()
    made.accepted()
    return made


def outcomes(service: Service, count: int, device_id: str = "d") -> list[str]:
    return [type(service.outcome(service.send(message(device_id)))).__name__ for _ in range(count)]


def test_reject_the_third_send(emulator: Emulator, service: Service) -> None:
    emulator.faults.sends.reject_send("com.microsoft:timeout", "too slow", after=2)
    assert outcomes(service, 2) == ["Accepted", "Accepted"]
    error = Error(condition="com.microsoft:timeout", description="too slow")
    assert service.outcome(service.send(message())) == Rejected(error=error)
    assert outcomes(service, 1) == ["Accepted"]
    stats = emulator.stats().c2d
    assert (stats.accepted, stats.rejected) == (3, {"com.microsoft:timeout": 1})


def test_reject_the_sends_to_one_device_until_cleared(emulator: Emulator, service: Service) -> None:
    emulator.faults.sends.reject_send(device_id="e", count=None)
    assert outcomes(service, 3, "e") == ["Rejected"] * 3
    assert outcomes(service, 1, "d") == ["Accepted"]
    emulator.faults.clear()
    assert outcomes(service, 1, "e") == ["Accepted"]


def test_release(emulator: Emulator, service: Service) -> None:
    emulator.faults.sends.release_send(count=2)
    assert service.outcome(service.send(message())) == Released()
    assert outcomes(service, 2) == ["Released", "Accepted"]
    stats = emulator.stats().c2d
    assert (stats.accepted, stats.released, stats.queued) == (1, 2, 1)


def test_of_faults_that_are_due_together_the_oldest_strikes_first(emulator: Emulator, service: Service) -> None:
    emulator.faults.sends.release_send()
    emulator.faults.sends.reject_send()
    assert outcomes(service, 3) == ["Released", "Rejected", "Accepted"]


def test_lose_the_disposition(emulator: Emulator, service: Service) -> None:
    emulator.faults.sends.lose_disposition()
    service.send(message("d", b"unanswered"))
    assert service.outcome(service.send(message("d", b"answered"))) == Accepted()
    stats = emulator.stats().c2d
    assert (stats.accepted, stats.unanswered) == (2, 1)
    delivery = emulator.c2d.receive("d")
    assert delivery is not None
    assert delivery.body == b"unanswered"


def test_refuse_the_link(emulator: Emulator, connect: Connect) -> None:
    emulator.faults.sends.refuse_service_link("com.microsoft:server-busy", "not now", count=1)
    error = refusal(connect().client)
    assert error == Error(condition="com.microsoft:server-busy", description="not now")
    connect().accepted()


def test_detach_close_abort(emulator: Emulator, connect: Connect) -> None:
    services = [connect(), connect(), connect()]
    for each in services:
        each.accepted()
    faults = emulator.faults.sends
    assert faults.detach_service_links("amqp:link:detach-forced", "bye") == 3
    detach = services[0].client.receive(Detach)
    assert detach.error == Error(condition="amqp:link:detach-forced", description="bye")
    assert faults.abort_service_connections() == 0
    again = connect()
    again.accepted()
    assert faults.close_service_connections() == 1
    assert isinstance(again.client.receive(Close).error, Error)
    emulator.wait_for(lambda stats: stats.c2d.service_links == 0, SECONDS)
    once_more = connect()
    once_more.accepted()
    assert faults.abort_service_connections() == 1
    with pytest.raises(ConnectionResetError):
        once_more.client.next_item()
    emulator.wait_for(lambda stats: stats.c2d.service_links == 0, SECONDS)


@pytest.mark.parametrize("how", ["detach", "close", "abort"])
def test_cut_after_some_sends(emulator: Emulator, service: Service, how: str) -> None:
    emulator.faults.sends.cut_service_link(3, how=how)
    assert outcomes(service, 2) == ["Accepted", "Accepted"]
    service.send(message())
    emulator.wait_for(lambda stats: stats.c2d.service_links == 0, SECONDS)
    assert emulator.stats().c2d.accepted == 3
    if how == "abort":
        with pytest.raises(ConnectionResetError):
            service.client.receive(Close)
    else:
        assert service.client.receive(Disposition).state == Accepted()
        service.client.receive(Detach if how == "detach" else Close)


def test_cut_again_and_again(emulator: Emulator, connect: Connect) -> None:
    emulator.faults.sends.cut_service_link(2, how="detach", times=2)
    for _ in range(2):
        service = connect()
        service.accepted()
        assert outcomes(service, 2) == ["Accepted", "Accepted"]
        service.client.receive(Detach)
    last = connect()
    last.accepted()
    assert outcomes(last, 5) == ["Accepted"] * 5


def test_the_delay_is_for_services_too(emulator: Emulator, service: Service) -> None:
    emulator.faults.delay(0.3)
    start = time.monotonic()
    numbers = [service.send(message("d")) for _ in range(20)]
    assert [service.outcome(number) for number in numbers] == [Accepted()] * 20
    assert time.monotonic() - start >= 0.3


def test_the_limit_may_change_on_the_way(emulator: Emulator, service: Service) -> None:
    emulator.c2d.set_limit(0.01, burst=2)
    assert outcomes(service, 4) == ["Accepted", "Accepted", "Rejected", "Rejected"]
    emulator.c2d.set_limit(None)
    assert outcomes(service, 4) == ["Accepted"] * 4
    assert emulator.stats().c2d.throttled == 2


def test_faults_in_force_can_be_read(emulator: Emulator) -> None:
    emulator.faults.sends.reject_send(after=3, device_id="d")
    expected = [{"name": "reject_send", "device_id": "d", "after": 3, "left": 1}]
    assert emulator.faults.active() == expected
    emulator.faults.clear()
    assert emulator.faults.active() == []


def test_orders_that_make_no_sense(emulator: Emulator) -> None:
    faults = emulator.faults.sends
    with pytest.raises(ValueError, match="'after' is -1"):
        faults.reject_send(after=-1)
    with pytest.raises(ValueError, match="strikes 0 times"):
        faults.release_send(count=0)
    with pytest.raises(ValueError, match="'explode'"):
        faults.cut_service_link(1, how="explode")
    with pytest.raises(ValueError, match="0 sends"):
        faults.cut_service_link(0)
    with pytest.raises(ValueError, match="not above 0"):
        emulator.c2d.set_limit(0)
    assert faults.active() == []
