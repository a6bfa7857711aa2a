"""Our client with an emulated hub: tokens, questions, commands, feedback, and how each of them ends."""

import time
from collections.abc import Iterator

import pytest

from ingest.amqp.message import Data, Message, Properties
from ingest.amqp.performatives import Accepted, Attach, Rejected, Released, Source
from ingest.emulator import Emulator
from ingest.emulator.amqp.sas import sign
from ingest.emulator.keys import POLICY
from ingest.hub.client.client import Client
from ingest.hub.client.manners import EVENT_HUBS, IOT_HUB, commands, feedback, selector
from ingest.hub.client.receiving import ReceivingLink
from ingest.hub.client.requests import (
    CBS,
    MANAGEMENT,
    Node,
    NodeRefused,
    described,
    put_token,
    read_hub,
    read_partition,
)
from ingest.hub.client.sending import SendingLink, rejection
from ingest.hub.link_errors import link_ended
from ingest.hub.service_errors import HubError, is_refusal, words
from ingest.timing import Deadline
from tests.hub.client.clients import HOST, PATIENCE, connected, gathered, reader, service, stream_of
from tests.service.endings import FORMS, end_links


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as emulator:
        emulator.c2d.auto_complete()
        yield emulator


@pytest.fixture(autouse=True)
def no_faults(hub: Emulator) -> Iterator[None]:
    yield
    hub.faults.sends.clear()


def audience(hub: Emulator) -> str:
    return f"sb://{HOST}/{hub.hub.name}"


def command(device: str = "d", size: int = 2, ack: str = "none") -> bytes:
    return Message(
        properties=Properties(message_id="m", to=f"/devices/{device}/messages/devicebound"),
        application_properties={"iothub-ack": ack},
        body=Data((b"x" * size,)),
    ).encode()


def sender(client: Client) -> SendingLink:
    made = SendingLink(client, commands(HOST, client.container_id))
    client.until(lambda: made.room > 0 or made.error is not None, Deadline(PATIENCE), "granted credit")
    return made


def test_a_token_is_taken_or_refused_in_the_hubs_words(hub: Emulator) -> None:
    client, _ = reader(hub, audience(hub))
    client.close()
    with pytest.raises(NodeRefused) as refused:
        reader(hub, audience(hub), key="another")
    assert refused.value.status == 401
    assert is_refusal(refused.value)
    assert "InvalidSignature" in words(refused.value)
    assert link_ended(refused.value).reason == "unauthorized"


def test_questions_are_answered(hub: Emulator) -> None:
    client, token = reader(hub, audience(hub))
    node = Node(client, MANAGEMENT)
    found = described(node.answer(read_hub(hub.hub.name, token), Deadline(PATIENCE)))
    assert found["partition_ids"] == ["0"]
    hub.send("dev-1", b"{}")
    found = described(node.answer(read_partition(hub.hub.name, "0", token), Deadline(PATIENCE)))
    assert found["last_enqueued_sequence_number"] == 0
    with pytest.raises(NodeRefused) as refused:
        node.answer(read_partition(hub.hub.name, "77", token), Deadline(PATIENCE))
    assert link_ended(refused.value).reason == "not_found"
    client.close()


def test_a_node_that_is_none_ends_its_questions_with_the_reason(hub: Emulator) -> None:
    client, _ = reader(hub, audience(hub))
    node = Node(client, "$nothing")
    with pytest.raises(HubError) as refused:
        node.answer(read_hub("x", None), Deadline(PATIENCE))
    assert refused.value.condition == "amqp:not-found"
    with pytest.raises(HubError):
        node.answer(read_hub("x", None), Deadline(PATIENCE))
    client.close()


def test_commands_are_answered_each_with_its_outcome(hub: Emulator) -> None:
    client = service(hub)
    link = sender(client)
    hub.faults.sends.reject_send("amqp:not-found", "no such device", after=1)
    hub.faults.sends.release_send(after=2)
    sizes = (2, 3, 60_000, 70_000)
    numbers = link.send([command(f"d{n}", size) for n, size in enumerate(sizes)])
    assert link.unanswered == numbers
    found = gathered(client, link.answers, 4)
    assert [each.delivery_id for each in found] == numbers
    assert [type(each.state) for each in found] == [Accepted, Rejected, Released, Rejected]
    error = rejection(found[1].state)
    assert error is not None
    assert (error.condition, error.description[:14]) == ("amqp:not-found", "no such device")
    assert link.unanswered == []
    client.close()


@pytest.mark.parametrize("form", FORMS)
def test_every_end_leaves_what_is_unanswered_and_its_reason(hub: Emulator, form: str) -> None:
    client = service(hub)
    link = sender(client)
    hub.faults.sends.lose_disposition(count=2)
    numbers = link.send([command()] * 2)
    client.work(0)
    assert end_links(hub, form, "/messages/devicebound") == 1
    over: list[Exception] = []
    deadline = Deadline(PATIENCE)
    while link.error is None:
        assert not deadline.expired
        try:
            client.work(1.0)
        except HubError as error:
            over.append(error)
    assert link.unanswered == numbers
    assert (link.ready, link.came_up) == (False, True)
    assert bool(over) == (not form.startswith("detach"))
    if "words" in form:
        assert "some words" in words(over[0] if over else link.error)
    if "UTF-8" in form:
        assert "\ufffd" in words(over[0] if over else link.error)
    client.close()


def test_a_refused_link_says_why(hub: Emulator) -> None:
    client = connected(hub, IOT_HUB)
    link = sender(client)
    assert link.error is not None
    assert is_refusal(link.error)
    assert not link.came_up
    client.close()


def test_feedback_is_received_and_settled_once(hub: Emulator) -> None:
    client = service(hub)
    link = sender(client)
    link.send([command(ack="full")])
    gathered(client, link.answers, 1)
    incoming = ReceivingLink(client, feedback(HOST, client.container_id), credit=4)
    client.until(lambda: incoming.ready, Deadline(PATIENCE), "attached")
    hub.c2d.flush_feedback()
    found = gathered(client, incoming.messages, 1)
    assert b"Success" in found[0].message
    assert not found[0].settled
    assert incoming.settle(found[0].number, Accepted())
    assert not incoming.settle(found[0].number, Accepted())
    client.flush()
    hub.wait_for(lambda _: hub.c2d.hub.feedback.waiting == 0, PATIENCE)
    client.close()


def test_events_are_received_after_a_position_until_the_hub_ends_the_link(hub: Emulator) -> None:
    client, _ = reader(hub, audience(hub))
    hub.send_many(("dev-1", b"%d" % n, {}) for n in range(50))
    address = f"amqps://{HOST}/{hub.hub.name}/ConsumerGroups/$Default/Partitions/0"
    source = Source(address=address, filter=selector("amqp.annotation.x-opt-offset > '-1'"))
    attach = Attach(name="events", handle=0, role=True, snd_settle_mode=0, source=source)
    incoming = ReceivingLink(client, attach, credit=7)
    found = gathered(client, incoming.messages, 50)
    assert [each.settled for each in found] == [True] * len(found)
    hub.faults.detach("amqp:link:stolen")
    client.until(lambda: incoming.error is not None, Deadline(PATIENCE), "detached")
    assert incoming.error is not None
    assert link_ended(incoming.error).reason == "stolen"
    client.close()


def test_a_hub_that_is_silent_or_gone_is_told(hub: Emulator) -> None:
    client = connected(hub, EVENT_HUBS)
    stream_of(client).terminate()
    with pytest.raises(OSError, match=r"."):
        client.until(lambda: False, Deadline(PATIENCE), "gone")
    with pytest.raises(OSError, match=r"."):
        client.work(0)
    client.close()
    later = connected(hub, EVENT_HUBS)
    with pytest.raises(TimeoutError, match="has not answered"):
        later.until(lambda: False, Deadline(0.01), "answered")
    later.close()


def test_tokens_are_renewed_while_other_work_goes_on(hub: Emulator) -> None:
    client = connected(hub, EVENT_HUBS)
    node = Node(client, CBS)
    found: list[object] = []
    for key in (hub.keys.service, hub.keys.service, "wrong"):
        token = sign(audience(hub), key.encode(), int(time.time()) + 3600, POLICY)
        node.ask(put_token(audience(hub), token), found.append)
    client.until(lambda: len(found) == 3, Deadline(PATIENCE), "answered")
    assert [type(each) for each in found] == [Message, Message, NodeRefused]
    client.close()
