"""Who arrived when, and what /readyz said: how long each kind of link was gone, and when that was told. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

KINDS = ("telemetry", "commands", "feedback")
"""Each is seen where it arrives: its way needs the hub's links and Kafka's clients both."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment."""

    at: float
    """Monotonic seconds."""
    arrived: Mapping[str, int]
    """Kind → how many, ever."""
    reasons: tuple[str, ...]
    """Why the service is not ready; empty while it is."""


def back_after(samples: list[Sample], kind: str, struck: float) -> float | None:
    """Seconds from `struck` to the end of the longest time in which nothing of the kind arrived; None when that lasts."""
    longest, back = 0.0, 0.0
    since, count = struck, max((each.arrived[kind] for each in samples if each.at <= struck), default=0)
    for sample in (each for each in samples if each.at > struck):
        if sample.arrived[kind] > count:
            if sample.at - since > longest:
                longest, back = sample.at - since, sample.at - struck
            since, count = sample.at, sample.arrived[kind]
    lasting = samples[-1].at - since if samples else 0.0
    return None if lasting > max(longest, 10.0) else back


def part_of(reason: str) -> str:
    """The kind of link that a line of /readyz is about."""
    if "Kafka" in reason or "feedback topic" in reason:
        return "Kafka"
    role = reason.partition(":")[0].partition("[")[0].split()[0].partition("-")[0]
    return {"source": "telemetry", "sink": "commands", "feedback": "feedback"}.get(role, role)


def told(samples: list[Sample], struck: float) -> dict[str, tuple[float, str]]:
    """Kind of link → seconds from `struck` until /readyz first spoke of it, and the words."""
    found: dict[str, tuple[float, str]] = {}
    for sample in samples:
        for reason in sample.reasons if sample.at > struck else ():
            found.setdefault(part_of(reason), (sample.at - struck, reason))
    return found


def ready_after(samples: list[Sample], struck: float) -> float | None:
    """Seconds from `struck` until the service was ready for good; None when it is not."""
    unready = [index for index, each in enumerate(samples) if each.at > struck and each.reasons]
    if not unready:
        return 0.0
    after = unready[-1] + 1
    return samples[after].at - struck if after < len(samples) else None
