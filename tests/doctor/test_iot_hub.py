"""The IoT Hub's key and rate, against the emulator."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.config import Config, Hub, Secret, Sink
from ingest.doctor.check import Finding
from ingest.doctor.iot_hub import iot_hub_checks, judge_rate
from ingest.doctor.runner import run_checks
from ingest.emulator import Emulator

WRONG_KEY = "d3JvbmcgYXMgaXQgY2FuIGJlIG9mIHRoaXMgbGVuZ3Ro"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as made:
        yield made


def look(emulator: Emulator, old: str = "", new: str = "") -> dict[str, Finding]:
    text = emulator.endpoints.iot_hub_connection_string
    assert old in text
    hub = Hub(
        iot_hub_connection_string=Secret(text.replace(old, new) if old else text),
        ca_file=Path(emulator.endpoints.ca_file),
    )
    assert hub.iot_hub is not None
    return {finding.check: finding for finding in run_checks(iot_hub_checks(Config(hub=hub), hub.iot_hub), seconds=60)}


def test_a_healthy_hub(emulator: Emulator) -> None:
    before = emulator.stats().c2d.accepted
    findings = look(emulator)
    assert {name: finding.result for name, finding in findings.items()} == {
        "IoT hub DNS": "ok",
        "IoT hub port": "ok",
        "IoT hub TLS": "ok",
        "IoT hub key": "ok",
        "rate": "ok",
    }
    assert emulator.stats().c2d.accepted == before, "the doctor sends no command"


@pytest.mark.parametrize("wrong", ["key", "policy"])
def test_a_hub_that_does_not_know_us(emulator: Emulator, wrong: str) -> None:
    if wrong == "key":
        findings = look(emulator, emulator.keys.service, WRONG_KEY)
    else:
        findings = look(emulator, "SharedAccessKeyName=service", "SharedAccessKeyName=disabled")
    key = findings["IoT hub key"]
    assert key.result == "fail"
    assert key.seen.startswith("IoT Hub 127.") or key.seen.startswith("IoT Hub localhost")
    assert "copy hub.iot_hub_connection_string again" in key.fix
    assert "service connect" in key.fix
    assert all(WRONG_KEY not in finding.seen + finding.fix for finding in findings.values())


SINK = Sink()


@pytest.mark.parametrize(
    ("sink", "result", "seen"),
    [
        (SINK, "ok", "1.67 commands/s of 1.67 that S1 with 1 unit takes"),
        (replace(SINK, tier="S3", units=10), "ok", "833 commands/s of 833 that S3 with 10 units takes"),
        (replace(SINK, sends_per_second=1.0), "ok", "1 commands/s of 1.67"),
        (replace(SINK, sends_per_second=50.0), "warn", "sink.sends_per_second = 50, and S1 with 1 unit takes 1.67"),
        (replace(SINK, tier="S3", units=11), "warn", "sink.units = 11, and S3 is sold with 10 at the most"),
        (replace(SINK, tier="F1", units=2), "warn", "F1 is sold with 1 at the most"),
    ],
)
def test_rates(sink: Sink, result: str, seen: str) -> None:
    verdict = judge_rate(sink)
    assert verdict.result == result
    assert seen in verdict.seen
