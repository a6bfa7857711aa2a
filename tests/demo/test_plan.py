"""What the options mean, and what a demo says in the end."""

import argparse
import json

import pytest

from ingest.cli.main import main
from ingest.demo.plan import Plan
from ingest.demo.summary import Commands, Summary
from ingest.errors import EXIT_USAGE

PLAN = Plan(seconds=0, events=0, rate=0, partitions=4, devices=20, commands=None)
NO_COMMANDS = Commands(0, 0, 0, 0, 0, 0, 0.0, [])


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        ([], Plan(20, 0, 2000, 4, 20, None)),
        (["--seconds", "3"], Plan(3, 0, 2000, 4, 20, None)),
        (["--events", "9"], Plan(0, 9, 0, 4, 20, None)),
        (["--events", "9", "--rate", "5"], Plan(0, 9, 5, 4, 20, None)),
        (["--partitions", "32", "--devices", "7"], Plan(20, 0, 2000, 32, 7, None)),
        (["--commands", "0"], Plan(20, 0, 2000, 4, 20, 0)),
        (["--events", "9", "--commands", "500"], Plan(0, 9, 0, 4, 20, 500)),
        (["--delivery", "exactly_once"], Plan(20, 0, 2000, 4, 20, None, "exactly_once")),
        (["--nodes", "3"], Plan(20, 0, 2000, 4, 20, None, None, 3)),
    ],
)
def test_options(options: list[str], plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Plan] = []

    def run(args: argparse.Namespace) -> int:
        plans.append(Plan.of(args))
        return 0

    monkeypatch.setattr("ingest.demo.run", run)
    assert main(["demo", *options]) == 0
    assert plans == [plan]


@pytest.mark.parametrize("options", [["--partitions", "33"], ["--devices", "100001"], ["--commands", "-1"]])
def test_what_no_hub_has_is_wrong_use(options: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["demo", *options])
    assert raised.value.code == EXIT_USAGE


def test_the_json_line_is_what_scripts_rely_on() -> None:
    summary = Summary(100, 99, 3, 2, 1, 0, 4.56789, [("device-1", 7)], Commands(9, 8, 1, 5, 6, 7, 1.0, []))
    assert json.loads(summary.as_json) == {
        "events_sent": 100,
        "events_in_kafka": 99,
        "events_missing": 3,
        "events_duplicated": 2,
        "commands_sent": 9,
        "commands_delivered": 8,
        "commands_missing": 1,
        "seconds": 4.568,
    }


def test_words() -> None:
    assert Summary(1000, 1000, 0, 0, 0, 0, 2.0, [], NO_COMMANDS).in_words(PLAN).splitlines() == [
        "20 devices sent 1,000 events to a hub with 4 partitions.",
        "Kafka holds 1,000 records: 0 events missing, 0 duplicated, 0 out of order.",
        "That took 2.0 s: 500 events/s.",
    ]
    words = Summary(1000, 999, 2, 0, 0, 1, 0.0, [("a", 5)], NO_COMMANDS).in_words(PLAN)
    assert "2 events missing" in words
    assert words.splitlines()[-2:] == ["Missing: a #5, ….", "1 record came from no device of this demo."]


def test_words_on_commands() -> None:
    def words(commands: Commands) -> list[str]:
        return Summary(1000, 1000, 0, 0, 0, 0, 2.0, [], commands).in_words(PLAN).splitlines()[3:]

    assert words(Commands(1, 1, 0, 0, 0, 0, 0.34, [])) == [
        "An operator sent 1 command; the devices received 1 in 0.3 s: 0 missing, 0 repeated, 0 out of order."
    ]
    assert words(Commands(1500, 1498, 2, 3, 4, 1, 2.0, [("a", 7)])) == [
        "An operator sent 1,500 commands; the devices received 1,498 in 2.0 s: 2 missing, 3 repeated, 4 out of order.",
        "Missing commands: a #7, ….",
        "Devices received 1 message that the operator had not sent.",
    ]


@pytest.mark.parametrize(("events", "commands", "complete"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_anything_missing_is_a_failure(events: int, commands: int, complete: bool) -> None:
    told = Commands(5, 5 - commands, commands, 0, 0, 0, 1.0, [])
    assert Summary(9, 9 - events, events, 0, 0, 0, 1.0, [], told).complete is complete
