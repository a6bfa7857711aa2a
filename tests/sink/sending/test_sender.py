"""The sender on a real link to the emulator, and every way in which a link or a message can fail."""

import dataclasses
import logging
import string
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.errors import AmqpError
from ingest.amqp.message import decode_message
from ingest.config import Secret
from ingest.config.connection_strings import IotHubAddress
from ingest.emulator import Emulator
from ingest.emulator.c2d import message
from ingest.emulator.keys import random_key
from ingest.errors import Refused
from ingest.hub.auth import key
from ingest.hub.auth.key import iot_hub_token
from ingest.process.memory import give_back
from ingest.sink.commands.command import Command, Origin
from ingest.sink.sending.message import encoded
from ingest.sink.sending.results import LINK_LOST, RELEASED, SENT, UNANSWERED, Outcome
from ingest.sink.sending.sdk import SdkCommands, message_of
from ingest.sink.sending.sender import Sender
from ingest.timing import Backoff, Deadline
from tests.sink.hub import address_of, command
from tests.sink.transports import BOTH, HERE, Transport

PATIENCE = 60.0
FIELDS = [
    field.name for field in dataclasses.fields(Command) if field.init and field.name not in ("origin", "passed_over")
]
"""What the hub gets of a command."""
Answers = list[tuple[Command, Outcome]]
WRITTEN: dict[Transport, Callable[[Command], bytes]] = {
    "fast": encoded,
    "sdk": lambda command: bytes(message_of(command).encode_message()),
}


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as emulator:
        emulator.c2d.auto_complete()
        yield emulator


@pytest.fixture(params=BOTH)
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]  # one of the two


def sender_to(
    emulator: Emulator, transport: Transport, *, answer_seconds: float = PATIENCE, **changes: object
) -> Sender:
    address = dataclasses.replace(address_of(emulator), **changes)  # type: ignore[arg-type]  # any of its fields
    made = Sender(
        address,
        Path(emulator.endpoints.ca_file),
        transport=transport,
        backoff=Backoff(0.01, 0.05),
        answer_seconds=answer_seconds,
    )
    made.start()
    return made


def until(sender: Sender, reached: Callable[[], bool]) -> Answers:
    """Works on the link until `reached()`; gives what was answered meanwhile."""
    deadline = Deadline(PATIENCE)
    answers: Answers = []
    while not reached():
        assert not deadline.expired, sender.trouble
        answers += sender.poll(0.05)
    return answers


def send(sender: Sender, commands: list[Command]) -> Answers:
    """All of them in one go, and all answers."""
    answers = until(sender, lambda: sender.ready)
    for each in commands:
        sender.send(each)
    return answers + until(sender, lambda: sender.in_flight == 0)


@pytest.fixture
def sender(hub: Emulator, transport: Transport) -> Iterator[Sender]:
    hub.faults.sends.clear()
    made = sender_to(hub, transport)
    yield made
    made.close()
    hub.faults.sends.clear()


def test_many_are_in_flight_and_each_has_its_own_answer(hub: Emulator, sender: Sender) -> None:
    commands = [command(f"d{number % 7}", b"%d" % number) for number in range(250)]
    hub.faults.sends.reject_send("amqp:not-found", "nobody", count=None, device_id="d3")
    until(sender, lambda: sender.ready)
    before = len(hub.c2d.consumed())
    for each in commands:
        sender.send(each)
    assert sender.in_flight == 250, "nothing waits for an answer before the next is sent"
    answers = until(sender, lambda: sender.in_flight == 0)
    assert {each.message_id for each, _ in answers} == {each.message_id for each in commands}
    for each, outcome in answers:
        assert outcome.reason == ("device_not_found" if each.device_id == "d3" else "sent")
    received = [delivery.body for delivery in hub.c2d.consumed()[before:] if delivery.device_id == "d1"]
    assert received == [each.body for each in commands if each.device_id == "d1"]
    assert sender.links == 1


def test_all_of_a_command_reaches_the_device(hub: Emulator, sender: Sender) -> None:
    expiry = 4_102_444_800_123
    full = dataclasses.replace(
        command("valve"),
        body=b"\x00\xff{}",
        correlation_id="c-1",
        content_type="application/json",
        content_encoding="utf-8",
        ack="full",
        expiry_ms=expiry,
        properties={"unit": "bar", "größe / \t": "süß 😀\n", "": "no name", "empty": ""},
    )
    [(_, outcome)] = send(sender, [full])
    assert outcome == SENT
    received = hub.c2d.consumed()[-1].command
    for name in FIELDS:
        assert getattr(received, name) == getattr(full, name), name
    assert received.size == full.size, "what is measured before sending is what the hub counts"


on_the_wire = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
symbols = st.none() | st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=12)


@given(
    st.builds(
        Command,
        device_id=st.text(st.sampled_from(string.ascii_letters + "-:.+%_#*?!(),=@;$'"), min_size=1, max_size=12),
        body=st.binary(max_size=12),
        message_id=on_the_wire.filter(bool),
        correlation_id=st.none() | on_the_wire,
        content_type=symbols,
        content_encoding=symbols,
        ack=st.sampled_from(("none", "positive", "negative", "full")),
        expiry_ms=st.none() | st.integers(0, 253_402_387_139_999),
        properties=st.dictionaries(
            on_the_wire.filter(lambda name: not name.lower().startswith("iothub-")), on_the_wire
        ),
        origin=st.just(Origin("iotout", 0, 0)),
        passed_over=st.just(()),
    )
)
def test_the_hub_reads_what_was_written_and_counts_the_same_size(sent: Command) -> None:
    for transport in HERE:
        received = message.parse(decode_message(WRITTEN[transport](sent)))
        assert (received.to, received.size) == (sent.to, sent.size)
        for name in FIELDS:
            assert getattr(received, name) == getattr(sent, name), (transport, name)


def test_each_command_reaches_the_device_that_was_named(hub: Emulator, sender: Sender) -> None:
    ids = [
        "valve%41",
        "valveA",
        "%",
        "%2F",
        "%25",
        "a+b",
        "..",
        "a%20b",
        *(f"x{mark}y" for mark in "-:.+%_#*?!(),=@;$'"),
    ]
    answers = send(sender, [command(device_id, device_id.encode()) for device_id in ids])
    assert [outcome for _, outcome in answers] == [SENT] * len(ids)
    received = [(delivery.device_id, delivery.body.decode()) for delivery in hub.c2d.consumed()[-len(ids) :]]
    assert sorted(received) == sorted((device_id, device_id) for device_id in ids)


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("amqp:not-found", "dead"),
        ("amqp:resource-limit-exceeded", "queue_full"),
        ("com.microsoft:device-container-throttled", "throttled"),
        ("com.microsoft:server-busy", "throttled"),
        ("com.microsoft:quota-exceeded", "quota"),
        ("com.microsoft:iot-hub-suspended", "quota"),
        ("amqp:link:message-size-exceeded", "dead"),
        ("com.microsoft:argument-error", "dead"),
        ("com.microsoft:message-expired", "dead"),
        ("amqp:decode-error", "dead"),
        ("amqp:invalid-field", "dead"),
        ("amqp:not-allowed", "dead"),
        ("com.microsoft:argument-out-of-range", "dead"),
        ("com.microsoft:timeout", "retry"),
        ("amqp:internal-error", "retry"),
        ("amqp:unauthorized-access", "refused"),
    ],
)
def test_a_rejection_keeps_its_condition_and_its_words(
    hub: Emulator, sender: Sender, condition: str, verdict: str
) -> None:
    hub.faults.sends.reject_send(condition, "told in words", after=1)
    first, second, third = send(sender, [command(), command(), command()])
    assert (first[1], third[1]) == (SENT, SENT), "the link goes on"
    assert second[1].verdict == verdict
    assert second[1].sentence == f"{condition}: told in words"
    assert hub.c2d.stats().service_links == 1


def test_released_messages_come_back_and_none_is_sent_again_by_the_library(hub: Emulator, sender: Sender) -> None:
    before = hub.c2d.stats()
    hub.faults.sends.release_send(after=1)
    commands = [command(), command(), command()]
    outcomes = {each.message_id: outcome for each, outcome in send(sender, commands)}
    assert [outcomes[each.message_id] for each in commands] == [SENT, RELEASED, SENT]
    after = hub.c2d.stats()
    assert after.accepted == before.accepted + 2
    assert after.released == before.released + 1


@pytest.mark.parametrize("how", ["detach", "close", "abort"])
def test_a_link_that_ends_gives_everything_unanswered_back_in_order(hub: Emulator, sender: Sender, how: str) -> None:
    accepted = hub.c2d.stats().accepted
    hub.faults.sends.cut_service_link(5, how=how)
    commands = [command(f"d{number}") for number in range(60)]
    answers = send(sender, commands)
    assert [each for each, _ in answers] == commands
    lost = [outcome for _, outcome in answers if outcome != SENT]
    assert len(lost) >= 55, "more than the hub took cannot have been answered"
    assert set(lost) == {LINK_LOST}, "the hub may have them, and nobody can tell"
    assert hub.c2d.stats().accepted == accepted + 5
    assert sender.trouble is not None
    assert not sender.ready
    again = send(sender, [each for each, outcome in answers if outcome == LINK_LOST])
    assert {outcome for _, outcome in again} == {SENT}
    assert sender.links == 2


def test_a_link_that_ends_while_nothing_is_in_flight_is_made_anew(hub: Emulator, sender: Sender) -> None:
    until(sender, lambda: sender.ready)
    for strike in (hub.faults.sends.detach_service_links, hub.faults.sends.abort_service_connections):
        links = sender.links
        assert strike() == 1
        assert until(sender, lambda links=links: sender.links > links and sender.ready) == []  # type: ignore[misc]


def client_of(sender: Sender) -> Any:
    carrier: Any = sender._carrier
    return carrier._client if isinstance(carrier, SdkCommands) else carrier._service._client


def test_nothing_is_left_of_links_that_have_ended(
    hub: Emulator, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "uamqp")  # as `ingest.logs` does: pytest keeps what is logged, errors and all
    ended = []
    for strike in (hub.faults.sends.detach_service_links, hub.faults.sends.abort_service_connections):
        until(sender, lambda: sender.ready)
        ended.append(weakref.ref(client_of(sender)))
        links = sender.links
        assert strike() == 1
        # One poll may see the end of a link and the next one come up.
        until(sender, lambda links=links: sender.links > links or not sender.ready)  # type: ignore[misc]
    give_back()
    assert [client() for client in ended] == [None] * 2


def test_an_answer_that_never_comes_ends_the_link(hub: Emulator, sender: Sender, transport: Transport) -> None:
    sender.close()
    hub.faults.sends.lose_disposition(after=1)
    impatient = sender_to(hub, transport, answer_seconds=0.5)
    try:
        commands = [command("late"), command("late"), command("late")]
        answers = send(impatient, commands)
        assert [(each.message_id, outcome) for each, outcome in answers] == [
            (commands[0].message_id, SENT),
            (commands[2].message_id, SENT),
            (commands[1].message_id, UNANSWERED),
        ]
        assert "not answered in time" in (impatient.trouble or "")
        assert send(impatient, [commands[1]]) == [(commands[1], SENT)]
    finally:
        impatient.close()
    received = [each.message_id for each in hub.c2d.consumed() if each.device_id == "late"]
    assert received.count(commands[1].message_id) == 2, "a repeat, under the same id"


def test_what_is_behind_an_answer_that_never_comes_is_lost_with_the_link(
    hub: Emulator, sender: Sender, transport: Transport
) -> None:
    sender.close()
    hub.faults.sends.lose_disposition(count=2)
    impatient = sender_to(hub, transport, answer_seconds=0.5)
    try:
        commands = [command("late"), command("other")]
        assert send(impatient, commands) == [(commands[0], UNANSWERED), (commands[1], LINK_LOST)]
    finally:
        impatient.close()


def test_a_command_that_the_client_cannot_encode_costs_no_link(hub: Emulator, sender: Sender) -> None:
    until(sender, lambda: sender.ready)
    broken = dataclasses.replace(command(), properties={"level": "\ud800"})
    with pytest.raises((UnicodeEncodeError, AmqpError)):
        sender.send(broken)
    assert sender.in_flight == 0
    other = dataclasses.replace(command(), properties={"größe": "1"})
    assert send(sender, [other]) == [(other, SENT)]
    assert sender.links == 1


def test_close_hands_back_what_is_in_flight_and_opens_no_other_link(hub: Emulator, sender: Sender) -> None:
    until(sender, lambda: sender.ready)
    hub.faults.sends.lose_disposition(count=None)
    kept = [command(), command()]
    for each in kept:
        sender.send(each)
    sender.poll(0.05)
    sender.close()
    assert sender.poll(0.05) == [(each, LINK_LOST) for each in kept]
    assert (sender.links, sender.in_flight, sender.ready) == (1, 0, False)
    hub.wait_for(lambda stats: stats.c2d.service_links == 0, PATIENCE)


@pytest.mark.parametrize("change", ["key", "policy"])
def test_a_wrong_key_or_policy_is_refused_in_words(hub: Emulator, transport: Transport, change: str) -> None:
    wrong = {"key": Secret(random_key())} if change == "key" else {"policy": "nobody"}
    refused = sender_to(hub, transport, **wrong)
    with pytest.raises(Refused, match="refuses the token") as caught:
        until(refused, lambda: refused.ready)
    refused.close()
    assert "hub.iot_hub_connection_string" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_attach_is_refused_only_before_the_first_link(
    hub: Emulator, sender: Sender, transport: Transport
) -> None:
    until(sender, lambda: sender.ready)
    hub.faults.sends.refuse_service_link("amqp:unauthorized-access", "the policy was taken away")
    hub.faults.sends.detach_service_links()
    until(sender, lambda: sender.links == 3 and sender.ready)
    hub.faults.sends.refuse_service_link("amqp:unauthorized-access", "no such right")
    fresh = sender_to(hub, transport)
    with pytest.raises(Refused, match="no such right"):
        until(fresh, lambda: fresh.ready)
    fresh.close()


def test_a_hub_that_is_busy_at_first_is_asked_again(hub: Emulator, sender: Sender) -> None:
    hub.faults.sends.refuse_service_link("com.microsoft:server-busy", "later", count=2)
    assert [outcome for _, outcome in send(sender, [command()])] == [SENT]
    assert sender.links == 3


def test_the_token_is_made_anew_before_it_ends(
    hub: Emulator, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    expiries: list[int] = []

    def counted(address: IotHubAddress, expires: int) -> str:
        expiries.append(expires)
        return iot_hub_token(address, expires)

    monkeypatch.setattr(key, "iot_hub_token", counted)
    monkeypatch.setattr(key, "TOKEN_SECONDS", 10 if transport == "sdk" else 3)
    lasting = sender_to(hub, transport)
    try:
        until(lasting, lambda: lasting.ready)
        first = expiries[-1]
        until(lasting, lambda: expiries[-1] > first)
        until(lasting, lambda: time.time() > first)
        assert [outcome for _, outcome in send(lasting, [command()])] == [SENT]
        assert lasting.links == 1, "the old token has run out, and the link is still the first"
    finally:
        lasting.close()
