"""What a check is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warn", "fail", "skipped"]
"""warn: it works, but not as it should. skipped: a check that it needs has failed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check makes of what it saw. No secret is in either text."""

    result: Result
    seen: str
    fix: str = ""
    """What to do about it; empty when there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ask: Callable[[], Verdict]
    """Blocks; is left alone when it takes too long. An IngestError that it raises is a failure in its words."""
    needs: tuple[str, ...] = ()
    """Checks that must not fail first; this one is skipped when they do."""
    after: tuple[str, ...] = ()
    """Checks that must be over first, however they end, as this one makes use of what they found."""
    imports: tuple[str, ...] = ()
    """Modules that `ask` imports and that take long to load: that is not the service's silence, so the check's time
    begins when they are there."""
    if_silent: str = "see whether a firewall or a proxy is between this machine and the service"
    """The fix for no answer in time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    check: str
    result: Result
    seen: str
    fix: str
    seconds: float
    """How long the check took, without its imports; 0 for one that was skipped."""


def ok(seen: str) -> Verdict:
    return Verdict("ok", seen)


def warn(seen: str, fix: str) -> Verdict:
    return Verdict("warn", seen, fix)


def fail(seen: str, fix: str) -> Verdict:
    return Verdict("fail", seen, fix)
