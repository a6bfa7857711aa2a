import dataclasses

import pytest

from ingest.sink.commands.unread_fields import MOST_NAMES, Unread
from tests.sink.hub import command


def test_one_warning_for_each_name_and_minute(caplog: pytest.LogCaptureFixture) -> None:
    times = iter((0.0, 0.0, 1.0, 1.0, 59.0, 59.0, 60.0, 60.0))
    unread = Unread(clock=lambda: next(times))
    first = dataclasses.replace(command(), passed_over=("the key 'priority'", "the header 'colour'"))
    for _ in range(4):
        unread.tell(first)
    place = f"iotout[0] at {first.origin.offset}"
    assert caplog.messages == [
        f"{place}: the key 'priority' is no part of a command and is not sent.",
        f"{place}: the header 'colour' is no part of a command and is not sent.",
        f"{place}: the key 'priority' is no part of a command and is not sent (2 more like it).",
        f"{place}: the header 'colour' is no part of a command and is not sent (2 more like it).",
    ]


def test_names_without_end_cost_neither_memory_nor_a_full_disk(caplog: pytest.LogCaptureFixture) -> None:
    unread = Unread(clock=lambda: 0.0)
    for number in range(10 * MOST_NAMES):
        unread.tell(dataclasses.replace(command(), passed_over=(f"the key '{number}'",)))
    assert len(caplog.messages) == MOST_NAMES + 1


def test_a_command_of_nothing_else_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    Unread().tell(command())
    assert caplog.messages == []
