"""Makes the slots of the supervisor: each child process with its task, its series in the registry, and its start."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from typing import Any

from ingest.config import Config
from ingest.config.values import EARLIEST
from ingest.metrics.catalogue import PROCESS_RESTARTS
from ingest.metrics.meter import zeros
from ingest.metrics.registry import Owner, Registry
from ingest.process.catch_up_turns import CatchUpScheduler
from ingest.process.child import ProcessSpec
from ingest.process.supervised import STARTING, SupervisedProcess
from ingest.service.roles import Found, Role


class Maker:
    def __init__(
        self,
        registry: Registry,
        context: ForkServerContext,
        turns: CatchUpScheduler[SupervisedProcess],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._context = context
        self._turns = turns
        self._clock = clock

    def slot(
        self,
        role: str,
        index: str,
        entry: str,
        config: Config,
        facts: Mapping[str, Any] | None = None,
        shared: Mapping[str, str] | None = None,
        *,
        joins: bool = False,
        starting: str = STARTING,
        noun: str = "",
    ) -> SupervisedProcess:
        """Returns a slot whose process is not started. Arguments as for `ProcessSpec` and `SupervisedProcess`."""
        owner = (role, index)
        self._registry.apply(zeros(*owner), owner)
        return SupervisedProcess(
            ProcessSpec(role, index, entry, config, facts or {}, shared or {}, noun),
            self._context,
            on_snapshot=lambda snapshot: self._registry.apply(snapshot, owner),
            on_restart=lambda: self._registry.add(PROCESS_RESTARTS, 1, *owner, owner=owner),
            turns=self._turns,
            clock=self._clock,
            joins=joins,
            starting=starting,
        )

    def of_role(
        self,
        config: Config,
        role: Role,
        names: Iterable[str],
        found: Found,
        shared: Mapping[str, str],
        added: Collection[str],
        *,
        joins: bool,
        starting: str = STARTING,
    ) -> list[SupervisedProcess]:
        """Returns the role's slots of these names. `added`: partitions that the hub got since ingest started; they begin
        at their oldest event."""
        oldest = replace(config, source=replace(config.source, start=EARLIEST))
        return [
            self.slot(
                role.name,
                name,
                role.entry,
                # In the configuration, not in the facts: it holds for every life until a checkpoint exists.
                oldest if found and name in added else config,
                {**found, "added": name in added} if found else {},
                shared,
                joins=joins,
                starting=starting,
                noun=role.noun,
            )
            for name in names
        ]


def owner_of(slot: SupervisedProcess) -> Owner:
    """Returns whose series the slot's are."""
    return slot.task.role, slot.task.slot
