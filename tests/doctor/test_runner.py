"""Checks side by side: order, what is skipped, and what takes too long or breaks."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ingest.doctor.check import Check, Finding, Verdict, fail, ok, warn
from ingest.doctor.runner import run_checks
from ingest.errors import Refused
from tests.faults.ingest_process import write_config
from tests.services import ROOT

PATIENCE = 60.0


def found(*checks: Check, seconds: float = PATIENCE) -> dict[str, Finding]:
    return {finding.check: finding for finding in run_checks(checks, seconds=seconds)}


def test_findings_come_in_order_whatever_ends_first() -> None:
    second_is_over = threading.Event()

    def first() -> Verdict:
        assert second_is_over.wait(PATIENCE), "the checks do not run side by side"
        return ok("first")

    def second() -> Verdict:
        second_is_over.set()
        return warn("second", "do something")

    findings = found(Check("a", first), Check("b", second))
    assert [(each.check, each.result, each.seen, each.fix) for each in findings.values()] == [
        ("a", "ok", "first", ""),
        ("b", "warn", "second", "do something"),
    ]


def test_what_needs_a_failed_check_is_skipped_with_all_that_needs_it() -> None:
    asked: list[str] = []

    def never() -> Verdict:
        asked.append("never")
        return ok("")

    findings = found(
        Check("broken", lambda: fail("no", "mend it")),
        Check("lame", lambda: warn("so so", "look")),
        Check("next", never, needs=("lame", "broken")),
        Check("after that", never, needs=("next",)),
        Check("lame is enough", lambda: ok("yes"), needs=("lame",)),
    )
    assert (findings["next"].result, findings["next"].seen) == ("skipped", "needs broken")
    assert (findings["after that"].result, findings["after that"].seen) == ("skipped", "needs next")
    assert findings["lame is enough"].result == "ok"
    assert asked == []


def test_a_check_comes_after_another_however_that_ends() -> None:
    order: list[str] = []

    def told(name: str, verdict: Verdict) -> Verdict:
        order.append(name)
        return verdict

    found(
        Check("late", lambda: told("late", ok("")), after=("early",)),
        Check("early", lambda: told("early", fail("no", "mend it"))),
    )
    assert order == ["early", "late"]


def test_a_check_that_hangs_is_left_behind() -> None:
    release = threading.Event()

    def hang() -> Verdict:
        release.wait(PATIENCE)
        return ok("too late")

    try:
        findings = found(
            Check("hung", hang, if_silent="wake it"),
            Check("next", lambda: ok(""), needs=("hung",)),
            Check("other", lambda: ok("")),
            seconds=0.2,
        )
    finally:
        release.set()
    assert (findings["hung"].result, findings["hung"].seen, findings["hung"].fix) == (
        "fail",
        "no answer within 0.2 s",
        "wake it",
    )
    assert findings["hung"].seconds >= 0.2
    assert findings["next"].result == "skipped"
    assert findings["other"].result == "ok"


def test_what_a_check_imports_does_not_take_of_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "heavy_module.py").write_text("import threading\nthreading.Event().wait(0.6)\n")

    def ask() -> Verdict:
        return ok("loaded" if "heavy_module" in sys.modules else "not loaded")

    finding = found(Check("heavy", ask, imports=("heavy_module",)), Check("other", lambda: ok("")), seconds=0.2)[
        "heavy"
    ]
    assert (finding.result, finding.seen) == ("ok", "loaded")
    assert finding.seconds < 0.6


def test_a_check_whose_import_fails_is_broken() -> None:
    finding = found(Check("a", lambda: ok(""), imports=("no_such_module",)))["a"]
    assert (finding.result, finding.seen.split(" in ")[0]) == ("fail", "the check broke: ModuleNotFoundError")


PLAN = """
import sys
from pathlib import Path
from ingest.config import load
from ingest.doctor.plan import checks_of

for check in checks_of(load(Path(sys.argv[1]), environ={}), {}):
    for module in check.imports:
        __import__(module)
blob = "azure.eventhub.extensions.checkpointstoreblob"
print(*(name for name in ("azure.eventhub", blob, "confluent_kafka.admin") if name not in sys.modules))
"""


def test_all_heavy_libraries_are_loaded_before_the_time_of_a_check_begins(tmp_path: Path) -> None:
    key = "SharedAccessKeyName=service;SharedAccessKey=a2V5"
    event_hub = f"Endpoint=sb://127.0.0.1:1;{key};EntityPath=hub;UseDevelopmentEmulator=true"
    write_config(
        file := tmp_path / "ingest.toml",
        {
            "hub": {
                "event_hub_connection_string": event_hub,
                "iot_hub_connection_string": f"HostName=localhost;{key}",
            },
            "checkpoints": {
                "blob_connection_string": "BlobEndpoint=http://127.0.0.1:1/a;AccountName=a;AccountKey=a2V5"
            },
        },
    )
    done = subprocess.run([sys.executable, "-c", PLAN, file], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


def test_an_error_of_ours_is_the_finding() -> None:
    def refused() -> Verdict:
        raise Refused("the store says no: give it another key")

    finding = found(Check("a", refused))["a"]
    assert (finding.result, finding.seen, finding.fix) == ("fail", "the store says no", "give it another key")


def test_any_other_error_is_told_without_its_words() -> None:
    def broken() -> Verdict:
        raise ValueError("SharedAccessKey=abc")

    finding = found(Check("a", broken))["a"]
    assert finding.result == "fail"
    assert finding.seen.startswith("the check broke: ValueError in test_runner.py:")
    assert "abc" not in finding.seen


def test_modules_that_import_each_other_are_loaded_by_one_check_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = threading.Barrier(2)
    monkeypatch.setattr(threading, "meeting_of_imports", meeting, raising=False)
    meet = "import threading\ntry:\n    threading.meeting_of_imports.wait(0.2)\nexcept threading.BrokenBarrierError:\n    pass\n"
    for name, other in (("imports_one", "imports_two"), ("imports_two", "imports_one")):
        (tmp_path / f"{name}.py").write_text(f"{meet}import {other}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    findings = found(
        Check("a", lambda: ok("a"), imports=("imports_one",)), Check("b", lambda: ok("b"), imports=("imports_two",))
    )
    assert [each.result for each in findings.values()] == ["ok", "ok"]
    assert meeting.broken, "they were never loaded at the same time"
