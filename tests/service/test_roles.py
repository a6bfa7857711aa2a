"""Roles are data: a toy role beside the real ones, and processes that come and go while others work."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingest.config import Config, Metrics, Sink
from ingest.metrics.catalogue import PROCESS_UP
from ingest.process.child import ProcessSpec
from ingest.service.roles import Role, all_directions
from ingest.service.supervisor import Supervisor
from tests.service.toys import toy_directions

PATIENCE = 60.0
CHILD = "tests.process.children:works"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """One sink process, and two of a role `toy`."""
    directions = toy_directions(sink="works")
    toy = Role("toy", CHILD, lambda config, found: ["left", "right"], noun="hand", status="{} of {} hands")
    sink = directions["sink"]
    directions["sink"] = replace(sink, roles=(*sink.roles, toy))
    config = Config(metrics=Metrics(port=0), sink=Sink(processes=1))
    made = Supervisor(config, roles=("sink",), directions=directions)
    made.start()
    yield made
    made.drain(0.1)
    made.exposition.close()


def until(supervisor: Supervisor, *slots: str) -> None:
    """Until exactly these slots are there and ready."""
    deadline = time.monotonic() + PATIENCE
    while [str(slot) for slot in supervisor._children()] != list(slots) or supervisor.unready():
        assert time.monotonic() < deadline, (slots, supervisor.unready())
        supervisor.poll(0.1)


def test_a_role_is_one_entry(supervisor: Supervisor) -> None:
    until(supervisor, "sink 0", "toy left", "toy right")
    assert supervisor.status == "sending with 1 of 1 workers, 2 of 2 hands"
    assert [slot.task.title for slot in supervisor.slots] == [
        "ingest: sink worker 0",
        "ingest: toy hand left",
        "ingest: toy hand right",
    ]


def test_a_process_is_added_and_retired_while_the_others_go_on(supervisor: Supervisor) -> None:
    until(supervisor, "sink 0", "toy left", "toy right")
    before = [slot.pid for slot in supervisor.slots]
    toy = supervisor.directions["sink"].roles[-1]
    supervisor.add(toy, ["third"], {}, {})
    until(supervisor, "sink 0", "toy left", "toy right", "toy third")
    supervisor.retire("toy", "left", PATIENCE)
    until(supervisor, "sink 0", "toy right", "toy third")
    assert [slot.pid for slot in supervisor.slots][:2] == [before[0], before[2]]
    series = [labels for labels in supervisor.registry._series[PROCESS_UP.name] if labels[0] == "toy"]
    assert sorted(series) == [("toy", "right"), ("toy", "third")], "what is retired is forgotten"


def test_one_that_does_not_end_in_time_is_ended(supervisor: Supervisor) -> None:
    until(supervisor, "sink 0", "toy left", "toy right")
    sink = supervisor.directions["sink"]
    hangs = replace(sink.roles[-1], entry="tests.process.children:hangs")
    supervisor.add(hangs, ["third"], {}, {})
    until(supervisor, "sink 0", "toy left", "toy right", "toy third")
    supervisor.retire("toy", "third", 0.5)
    until(supervisor, "sink 0", "toy left", "toy right")


def test_the_titles_of_processes_name_what_they_are_for() -> None:
    roles = [role for direction in all_directions().values() for role in direction.roles]
    specs = [ProcessSpec(role.name, "0", role.entry, Config(), noun=role.noun) for role in roles]
    assert [spec.title for spec in specs] == ["ingest: source partition 0", "ingest: sink worker 0", "ingest: feedback"]
