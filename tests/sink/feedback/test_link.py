"""The feedback link against the emulator."""

import logging
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.config import connection_strings
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.process.memory import give_back
from ingest.sink.feedback.contract import Received
from ingest.sink.feedback.link import FeedbackLink
from ingest.sink.feedback.message import parse_feedback
from ingest.sink.feedback.sdk import SdkFeedback
from ingest.timing import Backoff, Deadline
from tests.sink.feedback_hub import SECONDS, connection_string, end_commands
from tests.sink.transports import BOTH, Transport


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1) as running:
        yield running


@pytest.fixture(params=BOTH)
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]  # one of the two


@pytest.fixture
def link(emulator: Emulator, transport: Transport) -> Iterator[FeedbackLink]:
    made = linked(emulator, transport)
    yield made
    made.close()


def linked(emulator: Emulator, transport: Transport, key: str | None = None) -> FeedbackLink:
    hub = connection_strings.iot_hub(connection_string(emulator, key))
    made = FeedbackLink(hub, Path(emulator.endpoints.ca_file), transport=transport, backoff=Backoff(0.01, 0.01))
    made.start()
    return made


def work(link: FeedbackLink, until: Callable[[list[Received]], bool]) -> list[Received]:
    """Polls until all that came makes `until` true."""
    deadline, found = Deadline(SECONDS), list[Received]()
    while not until(found):
        assert not deadline.expired, link.trouble
        found += link.poll()
    return found


def ids(received: list[Received]) -> list[str]:
    return [record.message_id for each in received for record in parse_feedback(each.body).records]


def test_an_accepted_message_is_gone(emulator: Emulator, link: FeedbackLink) -> None:
    end_commands(emulator, [("a", "m1"), ("b", "m2")])
    [received] = work(link, bool)
    assert link.ready
    assert link.links == 1
    assert ids([received]) == ["m1", "m2"]
    assert emulator.c2d.stats().feedback_batches_completed == 0
    received.accept()
    work(link, lambda _: emulator.c2d.stats().feedback_batches_completed == 1)


def test_what_is_not_accepted_comes_again_after_a_pause(emulator: Emulator, link: FeedbackLink) -> None:
    end_commands(emulator, [("a", "m1")])
    [first] = work(link, bool)
    link.pause("waiting for Kafka")
    assert (link.ready, link.trouble) == (False, "waiting for Kafka")
    assert link.poll() == []
    assert emulator.wait_for(lambda stats: stats.c2d.feedback_batches_waiting == 1, SECONDS)
    assert link.poll() == []
    assert link.links == 1
    link.start()
    [again] = work(link, bool)
    first.accept()  # of a link that is gone: nothing happens
    assert ids([again]) == ids([first])
    again.accept()
    work(link, lambda _: emulator.c2d.stats().feedback_batches_completed == 1)


def test_a_broken_link_is_opened_again(emulator: Emulator, link: FeedbackLink) -> None:
    end_commands(emulator, [("a", "m1")])
    [first] = work(link, bool)
    emulator.faults.abort()
    work(link, lambda _: link.trouble is not None)
    assert link.trouble is not None
    assert link.trouble.startswith("IoT Hub localhost: ")
    first.accept()
    [again] = work(link, bool)
    assert ids([again]) == ["m1"]
    assert link.links >= 2
    again.accept()
    work(link, lambda _: emulator.c2d.stats().feedback_batches_completed == 1)


def client_of(link: FeedbackLink) -> Any:
    carrier: Any = link._carrier
    return carrier._client if isinstance(carrier, SdkFeedback) else carrier._service._client


def test_nothing_is_left_of_links_that_have_ended(
    emulator: Emulator, link: FeedbackLink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "uamqp")  # as `ingest.logs` does: pytest keeps what is logged, errors and all
    ended = []
    for strike in (emulator.faults.abort, emulator.faults.close, emulator.faults.abort):
        work(link, lambda _: link.ready)
        ended.append(weakref.ref(client_of(link)))
        strike()
        work(link, lambda _: not link.ready)
    give_back()
    assert [client() for client in ended] == [None] * 3


def test_a_wrong_key_is_told_at_once(emulator: Emulator, transport: Transport) -> None:
    with pytest.raises(Refused, match="IoT Hub localhost"):
        work(linked(emulator, transport, "d3Jvbmc="), lambda _: False)


def test_a_key_that_is_refused_later_is_tried_again(emulator: Emulator, link: FeedbackLink) -> None:
    work(link, lambda _: link.ready)
    emulator.faults.refuse_cbs(count=5)  # uamqp tries three times by itself
    emulator.faults.abort()
    work(link, lambda _: link.links >= 3 and link.ready)
    end_commands(emulator, [("a", "m1")])
    assert ids(work(link, bool)) == ["m1"]


def test_a_key_that_is_refused_after_a_pause_is_tried_again(emulator: Emulator, link: FeedbackLink) -> None:
    """It has worked before, so it is no wrong configuration."""
    work(link, lambda _: link.ready)
    link.pause("waiting for Kafka")
    emulator.faults.refuse_cbs(count=5)
    link.start()
    work(link, lambda _: link.links >= 3 and link.ready)


def test_what_was_accepted_before_the_end_counts(emulator: Emulator, link: FeedbackLink) -> None:
    end_commands(emulator, [("a", "m1")])
    [received] = work(link, bool)
    received.accept()
    link.close()
    deadline = Deadline(SECONDS)
    while emulator.stats().connections:
        assert not deadline.expired
        assert link.poll() == []
    assert emulator.c2d.stats().feedback_batches_completed == 1
