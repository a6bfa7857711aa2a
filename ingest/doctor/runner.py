"""Runs checks in parallel, each with a time limit, and yields their findings in order."""

import importlib
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.doctor.check import Check, Finding, Verdict, fail
from ingest.errors import IngestError

CHECK_SECONDS = 5.0


def run_checks(checks: Sequence[Check], *, seconds: float = CHECK_SECONDS) -> Iterator[Finding]:
    """Yields the findings in the order of `checks`, each as soon as it and those before it are known.

    Every check has its own daemon thread; one that takes longer than `seconds`, without its imports, counts as failed
    and is abandoned. A check may need only checks before it.
    """
    run = _Run(checks, seconds)
    for check in checks:
        yield run.wait_for(check.name)


class _Run:
    def __init__(self, checks: Sequence[Check], seconds: float) -> None:
        self._seconds = seconds
        self._waiting = list(checks)
        self._started: dict[str, tuple[Check, float]] = {}
        self._found: dict[str, Finding] = {}
        self._changed = threading.Condition()

    def wait_for(self, name: str) -> Finding:
        with self._changed:
            while name not in self._found:
                self._advance()
                if name not in self._found:
                    self._changed.wait(self._until_next_deadline())
            # Others can be waiting for the finding that has just come.
            self._advance()
            return self._found[name]

    def _advance(self) -> None:
        """Starts, skips or abandons the checks for which it is time."""
        now = time.monotonic()
        for check, since in list(self._started.values()):
            if check.name not in self._found and now - since >= self._seconds:
                self._settle(check, fail(f"no answer within {self._seconds:g} s", check.if_silent), now - since)
        for check in list(self._waiting):
            failed = [each for each in check.needs if self._ended(each) and self._found[each].result in _UNMET]
            if failed:
                self._waiting.remove(check)
                self._settle(check, Verdict("skipped", f"needs {failed[0]}"), 0.0)
            elif all(self._ended(each) for each in (*check.needs, *check.after)):
                self._waiting.remove(check)
                threading.Thread(target=self._ask, args=(check,), name=f"check {check.name}", daemon=True).start()

    def _ended(self, name: str) -> bool:
        return name in self._found

    def _until_next_deadline(self) -> float:
        running = [since for name, (_, since) in self._started.items() if name not in self._found]
        return max(0.0, min(running, default=time.monotonic()) + self._seconds - time.monotonic())

    def _ask(self, check: Check) -> None:
        since = time.monotonic()
        try:
            with _importing:
                for module in check.imports:
                    importlib.import_module(module)
            since = self._begin(check)
            verdict = check.ask()
        except IngestError as error:
            # Their sentences end with the fix.
            seen, _, fix = str(error).partition(": ")
            verdict = fail(seen, fix)
        except Exception as error:
            verdict = fail(_broken(error), "this is a fault of ingest: please report it")
        with self._changed:
            if check.name not in self._found:
                self._settle(check, verdict, time.monotonic() - since)

    def _begin(self, check: Check) -> float:
        """Starts the check's time."""
        with self._changed:
            since = time.monotonic()
            self._started[check.name] = (check, since)
            self._changed.notify_all()
            return since

    def _settle(self, check: Check, verdict: Verdict, seconds: float) -> None:
        self._found[check.name] = Finding(check.name, verdict.result, verdict.seen, verdict.fix, round(seconds, 3))
        self._changed.notify_all()


_UNMET = ("fail", "skipped")
_importing = threading.Lock()
"""Packages whose modules import each other cannot be imported by two threads at once: Python ends one with _DeadlockError."""


def _broken(error: Exception) -> str:
    """Says where the check broke, without the error's own text, which could quote a secret."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"the check broke: {type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
