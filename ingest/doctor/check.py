"""A check, and its findings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warn", "fail", "skipped"]
"""warn: it works, but not as it should. skipped: a check that it needs has failed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A check's judgement of what it saw. Neither text contains a secret."""

    result: Result
    seen: str
    fix: str = ""
    """What to do about it; empty if there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ask: Callable[[], Verdict]
    """Blocks; abandoned if it takes too long. If it raises an IngestError, the check fails with that text."""
    needs: tuple[str, ...] = ()
    """Checks that must end first and must not fail; if one fails, this one is skipped."""
    after: tuple[str, ...] = ()
    """Checks that must end first, with any result, because this one uses what they found."""
    imports: tuple[str, ...] = ()
    """Modules that `ask` imports and that take long to load: this is not the service's delay, so the check's time
    begins once they are loaded."""
    if_silent: str = "see whether a firewall or a proxy is between this machine and the service"
    """The fix if there is no answer in time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's output."""

    check: str
    result: Result
    seen: str
    fix: str
    seconds: float
    """How long the check took, without its imports; 0 for a skipped one."""


def ok(seen: str) -> Verdict:
    return Verdict("ok", seen)


def warn(seen: str, fix: str) -> Verdict:
    return Verdict("warn", seen, fix)


def fail(seen: str, fix: str) -> Verdict:
    return Verdict("fail", seen, fix)
