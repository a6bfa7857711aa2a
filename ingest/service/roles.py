"""Which child processes a configuration needs, as data: the directions of a service, and the roles in each.

A role is one kind of child process. To add one, write a `Role` in its direction's tuple below, the module of its
entry, its import in the direction's `preload.py`, and its name in `ingest.metrics.catalogue`.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from ingest.config import Checkpoints, Config, Metrics, Secret, Sink, Source
from ingest.hub.limits import sends_per_second
from ingest.sink.pacing import shared_rate

Found = Mapping[str, Any]
"""The result of a direction's discovery; empty if it has none."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Role:
    """One kind of long-running child process."""

    name: str
    """The value of the metrics' label `role`."""
    entry: str
    """`package.module:function`, called with the `Child` (`ingest.process.child`)."""
    slots: Callable[[Config, Found], Sequence[str]]
    """Returns the slots: a name for each of its processes."""
    noun: str = ""
    """What its slots are, in the titles of processes; empty if it has at most one."""
    status: str = ""
    """How systemd's status line counts them: `{} of {}`, the ready ones and all; empty: not at all."""


@dataclass(frozen=True, slots=True)
class Direction:
    """The processes that move data one way."""

    name: str
    """As in `ingest.config.directions`."""
    roles: tuple[Role, ...]
    trial: str
    """Entry of a one-shot child that tests whether the services accept a configuration."""
    preloads: Callable[[Config], list[str]]
    """Returns the modules that the fork server loads for its children."""
    news: Callable[[Config, Found], str]
    """Returns the log line for the start of its processes."""
    discovery: str = ""
    """Entry of a one-shot child that must answer before any process is started."""
    look_again: str = ""
    """Entry of a one-shot child that finds out later which slots were added."""
    expects: Callable[[Config], Sequence[str]] = lambda config: ()
    """Returns the slots that are known before the discovery, if any."""
    shared: Callable[[Config], Mapping[str, str]] = lambda config: {}
    """Returns what all of its processes share, in all of their lives."""
    divide: Callable[[Config, int], None] | None = None
    """Takes that so many nodes share what the hub allows; called again and again. None: the hub has no such limit."""
    reads: Callable[[Config], Config] = lambda config: config
    """Returns the configuration reduced to what its processes read: if that stays equal, a reload leaves them alone."""


class _SendBudget:
    """The one pace of all sink processes, in memory that lives as long as the service."""

    def __init__(self) -> None:
        self._memory: shared_rate.Shared | None = None
        self._nodes = 1

    def __call__(self, config: Config) -> Mapping[str, str]:
        # Created only once: a reload uses the same memory.
        self._memory = self._memory or shared_rate.Shared()
        self._memory.set(_rate(config) / self._nodes, monotonic())
        return {"budget": str(self._memory.path)}

    def divide(self, config: Config, nodes: int) -> None:
        """Takes this node's part of the hub's rate, which so many nodes share."""
        if self._memory is not None and nodes != self._nodes and self._memory.allow(_rate(config) / nodes):
            self._nodes = nodes
            logger.info("%d nodes send commands; this one at most %.4g/s.", nodes, _rate(config) / nodes)


def _rate(config: Config) -> float:
    return sends_per_second(config.sink.tier, config.sink.units, config.sink.sends_per_second)


def _source_preloads(config: Config) -> list[str]:
    blob = ["ingest.source.checkpoints.blob"] if config.checkpoints.store == "blob" else []
    sdk = ["ingest.source.transport.sdk"] if config.source.transport == "sdk" else []
    return ["ingest.source.preload", *blob, *sdk]


def _sink_preloads(config: Config) -> list[str]:
    return ["ingest.sink.preload", *(["uamqp"] if config.sink.transport == "sdk" else [])]


def _source_reads(config: Config) -> Config:
    hub = (
        config.hub
        if config.finds_event_hub
        else replace(config.hub, iot_hub_connection_string=Secret(), iot_hub_host="")
    )
    return replace(config, hub=hub, sink=Sink(), metrics=Metrics())


def _sink_reads(config: Config) -> Config:
    hub = replace(config.hub, event_hub_connection_string=Secret(), event_hub_namespace="", event_hub_name="")
    return replace(config, hub=hub, source=Source(), checkpoints=Checkpoints(), metrics=Metrics())


def changed_directions(
    directions: Mapping[str, Direction], old: tuple[Config, Collection[str]], new: tuple[Config, Collection[str]]
) -> frozenset[str]:
    """Returns the names of those that must restart, end or begin: `old` and `new` are a configuration and its roles."""
    (before, ran), (after, runs) = old, new
    kept = {name for name in {*ran} & {*runs} if directions[name].reads(before) == directions[name].reads(after)}
    return frozenset({*ran, *runs} - kept)


def all_directions() -> dict[str, Direction]:
    """Returns the directions of one service, by name, in the order of their start."""
    source = Direction(
        name="source",
        roles=(
            Role(
                "source",
                "ingest.source.partition:run",
                lambda config, found: found["partitions"],
                noun="partition",
                status="receiving {} of {} partitions",
            ),
        ),
        trial="ingest.source.discover:run",
        preloads=_source_preloads,
        news=lambda config, found: (
            f"Receiving from {len(found['partitions'])} partitions: {', '.join(found['partitions'])}."
        ),
        discovery="ingest.source.discover:run",
        look_again="ingest.source.discover:look_again",
        expects=lambda config: config.source.partitions or (),
        reads=_source_reads,
    )
    budget = _SendBudget()
    sink = Direction(
        name="sink",
        roles=(
            Role(
                "sink",
                "ingest.sink.worker:run",
                lambda config, found: [str(index) for index in range(config.sink.processes)],
                noun="worker",
                status="sending with {} of {} workers",
            ),
            Role(
                "feedback",
                "ingest.sink.feedback.process:run",
                lambda config, found: ["0"] if config.sink.ack != "none" else [],
            ),
        ),
        trial="ingest.sink.trial:run",
        preloads=_sink_preloads,
        news=lambda config, found: (
            f"Sending at most {_rate(config):.4g} commands/s with {config.sink.processes} processes."
        ),
        shared=budget,
        divide=budget.divide,
        reads=_sink_reads,
    )
    return {direction.name: direction for direction in (source, sink)}
