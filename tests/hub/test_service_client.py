"""The end of a link to the hub is noticed whatever its form, and so is a connection that has gone dead."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator import Emulator
from ingest.hub.service_errors import HubError, condition_of, hub_error, is_refusal, words
from ingest.sink.commands.command import Command
from ingest.sink.feedback.link import FeedbackLink
from ingest.sink.sending.results import SENT, Outcome
from ingest.sink.sending.sender import Sender
from ingest.timing import Backoff, Deadline
from tests.service.endings import FORMS, end_links
from tests.services.swallowing import SwallowingProxy
from tests.sink.hub import address_of, command
from tests.sink.transports import BOTH, HERE, Transport

PATIENCE = 60.0
IDLE_SECONDS = 3.0
"""The hub sends a frame after half of it: what is left is for a machine that is busy with other tests."""
DEVICEBOUND, FEEDBACK = "/messages/devicebound", "/messages/serviceBound/feedback"


@pytest.fixture(params=BOTH)
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]  # one of the two


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as emulator:
        emulator.c2d.auto_complete()
        yield emulator


def work(part: Sender | FeedbackLink, reached: Callable[[], bool]) -> list[tuple[Command, Outcome]]:
    return work_all([part], reached)


def work_all(parts: Sequence[Sender | FeedbackLink], reached: Callable[[], bool]) -> list[tuple[Command, Outcome]]:
    deadline, answers = Deadline(PATIENCE), list[tuple[Command, Outcome]]()
    while not reached():
        assert not deadline.expired, [part.trouble for part in parts]
        for part in parts:
            if isinstance(part, Sender):
                answers += part.poll(0.01)
            else:
                part.poll()
    return answers


def sender_to(hub: Emulator, transport: Transport) -> Sender:
    made = Sender(address_of(hub), Path(hub.endpoints.ca_file), transport=transport, backoff=Backoff(0.01, 0.05))
    made.start()
    return made


def feedback_of(hub: Emulator, transport: Transport) -> FeedbackLink:
    made = FeedbackLink(address_of(hub), Path(hub.endpoints.ca_file), transport=transport, backoff=Backoff(0.01, 0.05))
    made.start()
    return made


def test_commands_in_flight_go_over_a_new_link_however_the_last_one_ended(hub: Emulator, transport: Transport) -> None:
    sender = sender_to(hub, transport)
    try:
        for links, form in enumerate(FORMS, 2):
            work(sender, lambda: sender.ready)
            hub.faults.sends.lose_disposition(count=3)
            commands = [command(f"d{number}") for number in range(3)]
            for each in commands:
                sender.send(each)
            sender.poll(0.01)
            assert end_links(hub, form, DEVICEBOUND) == 1
            lost = work(sender, lambda: sender.in_flight == 0)
            assert [(each, outcome.reason) for each, outcome in lost] == [(each, "link_lost") for each in commands]
            work(sender, lambda: sender.ready)
            hub.faults.sends.clear()
            for each in commands:
                sender.send(each)
            answers = work(sender, lambda: sender.in_flight == 0)
            assert answers == [(each, SENT) for each in commands], form
            assert sender.links == links, form
    finally:
        hub.faults.sends.clear()
        sender.close()


@pytest.mark.parametrize(("open_link", "forms"), [(sender_to, ["end", "close"]), (feedback_of, FORMS)])
def test_an_idle_link_is_opened_again_however_it_ended(
    hub: Emulator,
    transport: Transport,
    open_link: Callable[[Emulator, Transport], Sender | FeedbackLink],
    forms: Iterable[str],
) -> None:
    part = open_link(hub, transport)
    try:
        for links, form in enumerate(forms, 2):
            work(part, lambda: part.ready)
            assert end_links(hub, form, DEVICEBOUND if isinstance(part, Sender) else FEEDBACK) == 1
            work(part, lambda: part.trouble is not None)
            assert str(part.trouble).startswith(f"IoT Hub {address_of(hub).host}: "), form
            work(part, lambda: part.ready)
            assert part.links == links, form
    finally:
        part.close()


@pytest.mark.parametrize("text", ["no \N{SNOWMAN}", "x" * 2_000])
def test_a_rejection_in_any_words_is_the_message_s(hub: Emulator, transport: Transport, text: str) -> None:
    sender = sender_to(hub, transport)
    hub.faults.sends.reject_send("amqp:not-found", text)
    try:
        work(sender, lambda: sender.ready)
        sender.send(command())
        [(_, outcome)] = work(sender, lambda: sender.in_flight == 0)
        assert (outcome.verdict, outcome.reason) == ("dead", "device_not_found")
    finally:
        sender.close()


def test_connections_that_go_dead_are_replaced(hub: Emulator) -> None:
    """All kinds of links side by side, as there is nothing to do but wait."""
    address = address_of(hub)
    with ExitStack() as closing:
        proxies, parts = list[SwallowingProxy](), list[Sender | FeedbackLink]()
        for kind, transport in product((Sender, FeedbackLink), HERE):
            proxies.append(closing.enter_context(SwallowingProxy(f"{address.host}:{address.port or 5671}")))
            through = dataclasses.replace(address, port=proxies[-1].port)
            part = kind(
                through,
                Path(hub.endpoints.ca_file),
                transport=transport,
                backoff=Backoff(0.01, 0.05),
                idle_seconds=IDLE_SECONDS,
            )
            closing.callback(part.close)
            part.start()
            parts.append(part)
        work_all(parts, lambda: all(part.ready for part in parts))
        quiet = Deadline(1.3 * IDLE_SECONDS)
        work_all(parts, lambda: quiet.expired)
        assert {part.links for part in parts} == {1}, "idle links on which the hub's empty frames come are not dead"
        assert [proxy.swallow() for proxy in proxies] == [1] * len(parts)
        said: dict[int, str] = {}

        def all_in_trouble() -> bool:
            for at, part in enumerate(parts):
                if part.trouble is not None:
                    said.setdefault(at, part.trouble)
            return len(said) == len(parts)

        work_all(parts, all_in_trouble)
        assert set(said.values()) == {f"IoT Hub {address.host}: no frame from the hub for {IDLE_SECONDS:g} s"}
        work_all(parts, lambda: all(part.ready for part in parts))
        senders = [part for part in parts if isinstance(part, Sender)]
        assert len(senders) == len(HERE)
        for sender in senders:
            sender.send(command())
            [(_, outcome)] = work(sender, lambda sender=sender: sender.in_flight == 0)  # type: ignore[misc]
            assert outcome == SENT


anything = st.recursive(
    st.none() | st.binary(max_size=5) | st.text(max_size=5) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@given(anything)
def test_whatever_stands_for_an_error_is_read(told: object) -> None:
    error = hub_error(told)
    if error is not None:
        assert isinstance(condition_of(error) + words(error), str)
        assert isinstance(is_refusal(error), bool)


def test_what_an_error_says_is_kept() -> None:
    whole = hub_error([[b"amqp:not-found", b"gone", None]])
    assert isinstance(whole, HubError)
    assert (whole.condition, whole.description) == ("amqp:not-found", "gone")
    assert str(hub_error([b"amqp:not-found"])) == "amqp:not-found"
    assert hub_error([]) is hub_error(None) is hub_error(ValueError("ours")) is None
