"""Which faults strike when: drawn from a seed, so that a storm can be repeated. Pure."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault. Those of one lane strike one after the other, those of different lanes at the same time."""

    lane: str
    shortest: float = 0.0
    longest: float = 0.0
    """Seconds that it lasts in a storm of `FULL_SECONDS`; in a shorter one less, in proportion."""


FULL_SECONDS: Final = 300.0
KINDS: Final[Mapping[str, Kind]] = {
    "kill a partition process": Kind("processes"),
    "kill two partition processes": Kind("processes"),
    "kill all partition processes": Kind("processes"),
    "freeze a partition process": Kind("processes", 6, 12),
    "kill the supervisor": Kind("node"),
    "stop and start the service": Kind("node"),
    "freeze the node while another takes its place": Kind("node", 20, 35),
    "freeze an orphan while another takes its place": Kind("node", 20, 35),
    "restart the brokers one after the other": Kind("brokers", 1, 4),
    "kill two brokers at once": Kind("brokers", 2, 8),
    "freeze a broker": Kind("brokers", 3, 12),
    "slow disk of a broker": Kind("brokers", 5, 15),
    "freeze the store": Kind("store", 5, 20),
    "stop the store": Kind("store", 5, 20),
    "slow store": Kind("store", 5, 20),
    "links are detached": Kind("links"),
    "connections are closed": Kind("links"),
    "connections are reset": Kind("links"),
    "connections fall silent": Kind("links"),
    "slow network": Kind("links", 5, 15),
    "the hub is busy": Kind("links", 2, 6),
    "the hub refuses tokens": Kind("links", 2, 6),
    "the hub refuses links": Kind("links", 2, 6),
}
FULL: Final[Mapping[str, int]] = {
    "kill a partition process": 18,
    "kill two partition processes": 3,
    "kill all partition processes": 1,
    "freeze a partition process": 2,
    "kill the supervisor": 3,
    "stop and start the service": 1,
    "freeze the node while another takes its place": 2,
    "freeze an orphan while another takes its place": 1,
    "restart the brokers one after the other": 1,
    "kill two brokers at once": 1,
    "freeze a broker": 1,
    "slow disk of a broker": 1,
    "freeze the store": 1,
    "stop the store": 1,
    "slow store": 1,
    "links are detached": 1,
    "connections are closed": 1,
    "connections are reset": 1,
    "connections fall silent": 1,
    "slow network": 1,
    "the hub is busy": 1,
    "the hub refuses tokens": 1,
    "the hub refuses links": 1,
}
"""Kind → how often it strikes in a storm that is started by hand."""
_LAST: Final = 0.9
"""The share of a storm in which faults begin."""
_SPREAD: Final = 0.6
"""The share of its slot of time in which a fault begins: the rest is for its duration."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault to come."""

    at: float
    """Seconds since the beginning of the storm."""
    lane: str
    kind: str
    seconds: float
    """How long it lasts."""


def plan(seed: int, seconds: float, counts: Mapping[str, int]) -> list[Fault]:
    """Returns as many faults of each kind as `counts` says, in the order of their times. Equal for equal arguments."""
    chosen = random.Random(seed)
    lanes: dict[str, list[str]] = {}
    for kind, count in sorted(counts.items()):
        lanes.setdefault(KINDS[kind].lane, []).extend([kind] * count)
    return sorted(fault for lane in sorted(lanes) for fault in _lane(chosen, lane, lanes[lane], seconds))


def _lane(chosen: random.Random, lane: str, kinds: list[str], seconds: float) -> Iterator[Fault]:
    chosen.shuffle(kinds)
    slot, scale = seconds * _LAST / max(1, len(kinds)), min(1.0, seconds / FULL_SECONDS)
    for number, name in enumerate(kinds):
        kind = KINDS[name]
        at = (number + chosen.uniform(0, _SPREAD)) * slot
        yield Fault(at, lane, name, chosen.uniform(kind.shortest, kind.longest) * scale)
