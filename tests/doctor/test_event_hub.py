"""The event hub's key and partitions, against the emulator."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.config import Config, Hub, Secret
from ingest.doctor.check import Check, Finding, Verdict, ok
from ingest.doctor.event_hub import EventHubChecks, judge_answer, judge_partitions
from ingest.doctor.runner import run_checks
from ingest.emulator import Emulator
from ingest.errors import Refused, Unreachable

WRONG_KEY = "d3JvbmcgYXMgaXQgY2FuIGJlIG9mIHRoaXMgbGVuZ3Ro"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=2) as made:
        yield made


def look(emulator: Emulator, old: str = "", new: str = "") -> tuple[dict[str, Finding], EventHubChecks]:
    """All checks of the endpoint, its connection string with `new` in the place of `old`."""
    ends = emulator.endpoints
    assert old in ends.event_hub_connection_string_tls
    text = ends.event_hub_connection_string_tls.replace(old, new) if old else ends.event_hub_connection_string_tls
    checks = EventHubChecks(Config(hub=Hub(Secret(text), ca_file=Path(ends.ca_file))), "metrics port")
    every = [Check("metrics port", lambda: ok("")), *checks.checks()]
    return {finding.check: finding for finding in run_checks(every, seconds=60)}, checks


def test_a_healthy_hub(emulator: Emulator) -> None:
    emulator.send_many((f"device-{number}", b"1", {}) for number in range(20))
    findings, checks = look(emulator)
    assert {finding.result for finding in findings.values()} == {"ok"}
    assert findings["partitions"].seen == "2 (0 to 1), reading all"
    assert "free" in findings["consumer group"].seen
    assert checks.newest_event is not None
    assert abs(checks.newest_event.timestamp() - time.time()) < 60


def test_a_wrong_key(emulator: Emulator) -> None:
    findings, _ = look(emulator, emulator.keys.service, WRONG_KEY)
    key = findings["event hub key"]
    assert key.result == "fail"
    assert "signature" in key.seen
    assert "hub.event_hub_connection_string" in key.fix
    assert findings["consumer group"].result == "skipped"
    assert all(WRONG_KEY not in finding.seen + finding.fix for finding in findings.values())


def test_an_unknown_hub(emulator: Emulator) -> None:
    key = look(emulator, "EntityPath=iothub-ehub-emulator", "EntityPath=elsewhere")[0]["event hub key"]
    assert key.result == "fail"
    assert "hub.event_hub_connection_string" in key.fix


def test_a_clock_that_is_hours_behind() -> None:
    with Emulator(partitions=1, clock=lambda: time.time() + 7_200) as ahead:
        key = look(ahead)[0]["event hub key"]
    assert key.result == "fail"
    assert "clock" in key.fix


def test_a_hub_that_is_busy_is_to_be_waited_for() -> None:
    assert "wait" in judge_answer(Unreachable("com.microsoft:server-busy: later"), "service", "hub").fix


def test_an_entity_that_is_not_found() -> None:
    assert "EntityPath" in judge_answer(Refused("amqp:not-found: no such entity"), "service", "hub").fix


@pytest.mark.parametrize(
    ("wanted", "started", "result", "words"),
    [
        ((), (), "ok", "3 (0 to 2), reading all"),
        (("1",), ("1",), "ok", "reading 1"),
        (("1", "7"), (), "fail", "source.partitions names 7; the hub has 0, 1, 2"),
        ((), ("5",), "fail", "source.start names 5"),
    ],
)
def test_partitions(wanted: tuple[str, ...], started: tuple[str, ...], result: str, words: str) -> None:
    verdict = judge_partitions(["0", "1", "2"], wanted, started)
    assert verdict.result == result
    assert words in verdict.seen


@pytest.mark.parametrize(
    ("wanted", "read", "seconds", "result", "words", "fix"),
    [
        ((), ["0", "1", "2"], 30, "ok", "reading all", ""),
        ((), [], 30, "ok", "reading all", ""),
        ((), ["0"], 30, "warn", "has no process for 1, 2 now", "every 30 s"),
        ((), ["0"], 0, "warn", "has no process for 1, 2 now", "SIGHUP"),
        (("0", "1"), ["0", "1"], 30, "ok", "reading 0, 1", ""),
        (("0", "1"), ["0"], 30, "warn", "has no process for 1 now", "/readyz"),
    ],
)
def test_partitions_beside_an_ingest_that_runs(
    wanted: tuple[str, ...], read: list[str], seconds: int, result: str, words: str, fix: str
) -> None:
    """While a hub is given partitions, the doctor says which of them nobody reads yet."""
    verdict = judge_partitions(["0", "1", "2"], wanted, (), read, seconds)
    assert verdict.result == result
    assert words in verdict.seen
    assert fix in verdict.fix


def test_partitions_that_were_added_while_ingest_runs(emulator: Emulator) -> None:
    ends = emulator.endpoints
    config = Config(hub=Hub(Secret(ends.event_hub_connection_string)))
    checks = EventHubChecks(config, "metrics port")
    emulator.add_partitions(1)

    def runs() -> Verdict:
        checks.read_here = ["0", "1"]
        return ok("")

    every = [Check("metrics port", runs), *checks.checks()]
    found = {finding.check: finding for finding in run_checks(every, seconds=60)}["partitions"]
    assert (found.result, found.seen) == (
        "warn",
        "3 (0 to 2), reading all; the ingest that runs here has no process for 2 now",
    )


def test_the_emulators_plain_port_needs_no_certificate(emulator: Emulator) -> None:
    config = Config(hub=Hub(Secret(emulator.endpoints.event_hub_connection_string)))
    names = [check.name for check in EventHubChecks(config, "metrics port").checks()]
    assert "event hub TLS" not in names
    assert "event hub key" in names
