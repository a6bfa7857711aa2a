"""What a service meets, frame by frame: tokens, credit, outcomes."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ingest.amqp.performatives import Accepted, Detach, Disposition, Error, Flow, Transfer
from ingest.emulator import Emulator
from tests.emulator.c2d_clock import message
from tests.emulator.c2d_raw import HOST, Service, attach_feedback, authorize, service_token
from tests.emulator.raw_client import RawClient
from tests.emulator.test_receivers import refusal

SECONDS = 10.0


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1, known_devices={"d", "e"}) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[RawClient]:
    with ExitStack() as stack:
        connected = stack.enter_context(RawClient(emulator.endpoints.amqp))
        connected.open()
        yield connected


@pytest.fixture
def service(emulator: Emulator, client: RawClient) -> Service:
    authorize(client, emulator)
    made = Service(client)
    assert made.accepted().link_credit == 100
    return made


@pytest.mark.parametrize("audience", [f"https://{HOST}", HOST, f"https://{HOST}/messages/devicebound"])
def test_a_token_of_the_hub_opens_the_links(emulator: Emulator, client: RawClient, audience: str) -> None:
    assert client.put_token(audience, service_token(emulator)) == (200, "OK")
    Service(client).accepted()


def test_wrong_tokens(emulator: Emulator, client: RawClient) -> None:
    audience = f"https://{HOST}"
    status, why = client.put_token(audience, service_token(emulator, key="d3Jvbmc="))
    assert (status, "invalid signature" in why) == (401, True)
    with RawClient(emulator.endpoints.amqp) as other:
        other.open()
        status, why = other.put_token(audience, service_token(emulator, expiry=int(time.time()) - 5))
        assert (status, "expired" in why) == (401, True)
    with RawClient(emulator.endpoints.amqp) as other:
        other.open()
        status, why = other.put_token(audience, service_token(emulator, resource=f"{HOST}/devices/d"))
        assert (status, "opens 'localhost/devices/d'" in why) == (401, True)


def test_a_token_of_event_hubs_opens_nothing_here(emulator: Emulator, client: RawClient) -> None:
    client.authorize(emulator.keys.service, emulator.hub.name)
    Service(client)
    error = refusal(client)
    assert error.condition == "amqp:unauthorized-access"
    assert "ServiceConnect" in str(error.description)


def test_a_token_of_the_hub_opens_no_event_hub(emulator: Emulator, client: RawClient) -> None:
    authorize(client, emulator)
    client.attach_receiver(emulator.hub.name)
    assert refusal(client).condition == "amqp:unauthorized-access"


def test_a_message_is_accepted_and_waits_for_its_device(emulator: Emulator, service: Service) -> None:
    assert service.outcome(service.send(message("d", b"Turn On", message_id="m1"))) == Accepted()
    delivery = emulator.c2d.receive("d")
    assert delivery is not None
    assert (delivery.body, delivery.message_id) == (b"Turn On", "m1")
    emulator.c2d.complete(delivery)
    assert emulator.c2d.receive("d") is None
    stats = emulator.stats().c2d
    assert (stats.accepted, stats.completed, stats.service_links, stats.service_link_attaches) == (1, 1, 1, 1)
    assert emulator.c2d.completed_by_device() == {"d": 1}


def test_a_device_may_wait_for_a_message(emulator: Emulator, service: Service) -> None:
    emulator.faults.delay(0.2)
    service.send(message("d", b"late"))
    delivery = emulator.c2d.receive("d", SECONDS)
    assert delivery is not None
    assert delivery.body == b"late"


def test_each_rejection_has_its_condition(emulator: Emulator, service: Service) -> None:
    assert service.refusal(message("stranger")).condition == "amqp:not-found"
    assert service.refusal(message("d", bytes(70_000))).condition == "amqp:link:message-size-exceeded"
    assert service.refusal(message("d", ack="perhaps")).condition == "amqp:invalid-field"
    assert service.refusal(b"\x00\x53\x75\xa0\x09x").condition == "amqp:invalid-field"
    for _ in range(50):
        assert service.outcome(service.send(message("d"))) == Accepted()
    full = service.refusal(message("d"))
    assert full.condition == "amqp:resource-limit-exceeded"
    assert "http://aka.ms/iothub403004" in str(full.description)
    emulator.c2d.set_limit(0.001, burst=1)
    assert service.outcome(service.send(message("e"))) == Accepted()
    assert service.refusal(message("e")).condition == "com.microsoft:device-container-throttled"
    emulator.c2d.set_limit(None)
    emulator.c2d.set_daily_quota(1)
    assert service.refusal(message("e")).condition == "com.microsoft:quota-exceeded"
    emulator.c2d.set_daily_quota(None)
    assert service.outcome(service.send(message("e"))) == Accepted()
    stats = emulator.stats().c2d
    assert stats.rejected == {
        "amqp:not-found": 1,
        "amqp:link:message-size-exceeded": 1,
        "amqp:invalid-field": 2,
        "amqp:resource-limit-exceeded": 1,
        "com.microsoft:device-container-throttled": 1,
        "com.microsoft:quota-exceeded": 1,
    }
    assert (stats.throttled, stats.accepted, stats.queued) == (1, 52, 52)


def test_a_message_in_many_frames(emulator: Emulator, service: Service) -> None:
    body = bytes(range(256)) * 200
    assert service.outcome(service.send(message("d", body), parts=7)) == Accepted()
    delivery = emulator.c2d.receive("d")
    assert delivery is not None
    assert delivery.body == body


def test_a_message_that_is_sent_settled_gets_no_answer(emulator: Emulator, service: Service) -> None:
    service.send(message("d"), settled=True)
    assert service.outcome(service.send(message("d"))) == Accepted()
    assert emulator.stats().c2d.accepted == 2


def test_credit_is_renewed_before_it_runs_out(emulator: Emulator, service: Service) -> None:
    emulator.c2d.auto_complete()
    for index in range(50):
        service.send(message("d", b"%d" % index))
    flow = service.client.receive(Flow)
    assert (flow.handle, flow.delivery_count, flow.link_credit) == (0, 50, 100)
    consumed = emulator.c2d.consumed()
    assert [delivery.body for delivery in consumed] == [b"%d" % index for index in range(50)]


def test_a_client_that_runs_ahead_of_its_credit_is_served_all_the_same(emulator: Emulator, service: Service) -> None:
    """As uamqp does with some hundred commands in flight; what a stock client sends is no fault here."""
    emulator.c2d.auto_complete()
    for index in range(400):
        service.send(message("d", b"%d" % index))
    emulator.wait_for(lambda stats: stats.c2d.accepted == 400, SECONDS)
    assert emulator.stats().c2d.service_links == 1


def test_more_than_a_link_takes_detaches_it(emulator: Emulator, service: Service) -> None:
    service.send(bytes(1_100_000), parts=30)
    detach = service.client.receive(Detach)
    assert isinstance(detach.error, Error)
    assert detach.error.condition == "amqp:link:message-size-exceeded"
    emulator.wait_for(lambda stats: stats.c2d.service_links == 0, SECONDS)


def test_auto_complete_takes_what_waits_and_can_be_for_some(emulator: Emulator, service: Service) -> None:
    assert service.outcome(service.send(message("d", b"1"))) == Accepted()
    emulator.c2d.auto_complete(["d"])
    for device_id, body in (("e", b"2"), ("d", b"3")):
        assert service.outcome(service.send(message(device_id, body))) == Accepted()
    assert [delivery.body for delivery in emulator.c2d.consumed()] == [b"1", b"3"]
    emulator.c2d.stop_auto_complete()
    assert service.outcome(service.send(message("d", b"4"))) == Accepted()
    assert emulator.stats().c2d.queued == 2
    assert emulator.c2d.purge("d") == 1


def test_feedback_is_sent_unsettled_and_comes_again_until_it_is_accepted(emulator: Emulator, service: Service) -> None:
    client = service.client
    assert service.outcome(service.send(message("d", ack="full", message_id="m1"))) == Accepted()
    emulator.c2d.auto_complete()
    attach_feedback(client)
    emulator.c2d.flush_feedback()
    first, payload = client.receive_with_payload(Transfer)
    assert (first.handle, first.settled) == (1, False)
    assert b'"originalMessageId":"m1"' in payload
    assert first.delivery_id is not None
    client.send(Disposition(role=True, first=first.delivery_id, settled=True))
    again, payload_again = client.receive_with_payload(Transfer)
    assert payload_again == payload
    assert again.delivery_id is not None
    client.send(Disposition(role=True, first=again.delivery_id, state=Accepted()))
    settled = client.receive(Disposition)
    assert (settled.role, settled.first, settled.settled, settled.state) == (False, again.delivery_id, True, Accepted())
    emulator.wait_for(lambda stats: stats.c2d.feedback_batches_completed == 1, SECONDS)
    assert client.all_transfers() == 0


def test_feedback_of_a_link_that_ends_goes_to_the_next(emulator: Emulator, service: Service) -> None:
    assert service.outcome(service.send(message("d", ack="full"))) == Accepted()
    emulator.c2d.auto_complete()
    with RawClient(emulator.endpoints.amqp) as other:
        other.open()
        authorize(other, emulator)
        attach_feedback(other)
        emulator.c2d.flush_feedback()
        other.receive(Transfer)
    attach_feedback(service.client)
    service.client.receive(Transfer)
