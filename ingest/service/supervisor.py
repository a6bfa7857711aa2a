"""Starts, watches, restarts and drains the child processes, and serves their metrics on one port."""

import logging
import multiprocessing.connection
import platform
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from multiprocessing.context import ForkServerContext
from typing import Any

from ingest import __version__
from ingest.cluster.node import client_id
from ingest.config import Config
from ingest.metrics.catalogue import BUILD_INFO, PROCESS_UP
from ingest.metrics.http import Exposition
from ingest.metrics.registry import Registry
from ingest.process import forkserver
from ingest.process.catch_up_turns import CatchUpScheduler, cores
from ingest.process.outlive import Outlive
from ingest.process.supervised import JOINING, SupervisedProcess
from ingest.service.about import about
from ingest.service.making import Maker, owner_of
from ingest.service.partition_watch import PartitionWatch
from ingest.service.retiring import CHILDREN_SHARE, Retiring
from ingest.service.roles import Direction, Found, Role, all_directions
from ingest.service.sharing import Sharing
from ingest.service.sink_share import SinkShare
from ingest.service.status_line import status_line
from ingest.service.systemd import Notifier
from ingest.service.token_supply import TokenSupply
from ingest.timing import Deadline

LOOP_STUCK_SECONDS = 10.0
UNENDING_SECONDS = 10.0
"""A child whose heartbeat is this much overdue was killed long ago and has not ended: we cannot replace it."""
TRIAL_END_SECONDS = 1.0
KILLED_SECONDS = 5.0
"""Time for killed processes to end."""
LEAVE_SECONDS = 3.0
"""Time to tell the other nodes that this one leaves."""

logger = logging.getLogger(__name__)


class Supervisor:
    """Owns every child process of one node.

    `start` opens the metrics port and asks the hub for its partitions; `poll` does everything else and is the loop's
    only step; `close` asks all children to end; `terminate` ends them; `join` waits. One thread calls all of it.
    """

    def __init__(
        self,
        config: Config,
        *,
        roles: tuple[str, ...],
        directions: dict[str, Direction] | None = None,
        notifier: Notifier | None = None,
        context: ForkServerContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`roles` are the command's directions, out of all `directions`. `notifier` gets a report at every `poll`;
        without it there are none."""
        self.config = config
        self.notifier = notifier or Notifier({})
        self.registry = Registry()
        self.tokens = TokenSupply(self.registry)
        self.slots: list[SupervisedProcess] = []
        self.directions = all_directions() if directions is None else directions
        self.roles = roles
        """The directions of the command; a reloaded configuration can have connection strings for only some of them."""
        self._clock = clock
        self._watch = PartitionWatch(clock)
        preloads = [module for role in roles for module in self.directions[role].preloads(config)]
        self._context = context or forkserver.context(preloads)
        self.sharing = Sharing(self.registry, clock)
        self._sink_share = SinkShare()
        self._discovery: SupervisedProcess | None = None
        self._question: SupervisedProcess | None = None
        """Asks whether the hub has more partitions. The service does not depend on its success."""
        self._retiring = Retiring(self.registry, clock)
        self._leaving: list[SupervisedProcess] = []
        """The children that the last drain has asked to end."""
        self._turns: CatchUpScheduler[SupervisedProcess] = CatchUpScheduler(cores(), clock=clock)
        self._maker = Maker(self.registry, self._context, self._turns, clock)
        self._closing = False
        self._lasting = False
        """Whether a refused first start is tried again, instead of ending the service."""
        self.note: str | None = None
        self.reloading = False
        self.trials: list[SupervisedProcess] = []
        self._outlive = Outlive()
        self._polled_at = clock()
        self.exposition = Exposition(
            self.registry,
            healthy=lambda: self._clock() - self._polled_at < LOOP_STUCK_SECONDS,
            unready=self.unready,
            note=lambda: self.notes,
            about=lambda: about(self.config, self.roles, self.sharing.members, self._closing and not self.reloading),
            allowed=lambda: self.config.metrics.allowed_hosts,
            host=config.metrics.host,
            port=config.metrics.port,
        )

    def start(self) -> None:
        """Raises ConfigError if the metrics port cannot be bound."""
        self.exposition.start()
        self._name = client_id(self.config.metrics.host, self.exposition.port)
        self.registry.set(BUILD_INFO, 1, __version__, platform.python_version())
        logger.info("Metrics are served on %s/metrics.", self.exposition.url)
        self.start_roles(self.roles)

    def start_roles(self, running: tuple[str, ...], only: Collection[str] | None = None) -> None:
        """Starts all children of the configuration, and forgets those of other directions. `only`: in these directions;
        the others go on."""
        self.slots = [slot for slot in self.slots if slot not in self._leaving]
        self._leaving = []
        self._closing = False
        for direction in self.directions.values():
            if only is not None and direction.name not in only:
                continue
            if direction.look_again:
                self._watch.pause()
            if direction.name not in running:
                for role in direction.roles:
                    self._forget_others(role.name, [])
                if direction.discovery:
                    self._forget_others("discover", [])
                    self.sharing.leave()
            elif direction.discovery:
                expected = direction.expects(self.config)
                for role in direction.roles if expected else ():
                    self.registry.keep_only(role.name, expected)
                self._discovery = self._slot("discover", "0", direction.discovery)
                self._discovery.start()
            else:
                self._start(direction, {})

    def start_anew(
        self, config: Config, running: tuple[str, ...], only: Collection[str] | None = None, *, lasting: bool = False
    ) -> None:
        """Starts the children of another configuration, after a drain with the same `only`. Counters go on. `lasting`:
        if a service refuses their first start, it is tried again."""
        self.config = config
        self._lasting = lasting
        self.start_roles(running, only)

    def try_out(self, config: Config, roles: tuple[str, ...]) -> None:
        """Starts the `trials`: for each role a child that tests whether the services accept the configuration."""
        self.trials = [
            self._slot("trial", role, self.directions[role].trial, {"trial": True}, config=config) for role in roles
        ]
        for slot in self.trials:
            slot.start()

    def end_trials(self) -> None:
        for slot in self.trials:
            slot.terminate()
            slot.join(Deadline(TRIAL_END_SECONDS))
        self.trials = []
        self._forget_others("trial", [])

    def _start(self, direction: Direction, found: Found) -> None:
        """Starts all processes of a direction; forgets its others."""
        shared = {"node": self._name, **direction.shared(self.config)}
        made: list[SupervisedProcess] = []
        for role in direction.roles:
            names, added = role.slots(self.config, found), self._watch.added
            made += self._maker.of_role(self.config, role, names, found, shared, added, joins=self._lasting)
        # Before the start, which takes a while: /readyz, on another thread, must always see the discovery or these.
        self.slots += made
        self._discovery = None if direction.discovery else self._discovery
        for role in direction.roles:
            self._forget_others(role.name, made)
        for slot in made:
            slot.start()
        logger.info("%s", direction.news(self.config, found))

    def add(
        self, role: Role, names: Iterable[str], found: Found, shared: Mapping[str, str], *, starting: str = JOINING
    ) -> None:
        """Starts more processes of a role while the others go on; a refusal of their start does not end the service.
        The names must be new: not even an ending process may have one. `starting`: why they are not ready at first."""
        new = self._watch.added
        made = self._maker.of_role(self.config, role, names, found, shared, new, joins=True, starting=starting)
        self.slots += made
        for slot in made:
            slot.start()

    def retire(self, role: str, name: str, seconds: float) -> None:
        """Ends one process within `seconds` while the others go on; then drops its series."""
        for slot in [slot for slot in self.slots if owner_of(slot) == (role, name)]:
            self.slots.remove(slot)
            self._retiring.add(slot, seconds)

    def expel(self, role: str, name: str) -> None:
        """Ends one process at once, without a last word; then drops its series."""
        for slot in [slot for slot in (*self.slots, *self._retiring) if owner_of(slot) == (role, name)]:
            self.slots = [each for each in self.slots if each is not slot]
            self._retiring.expel(slot, KILLED_SECONDS)

    def ending(self, role: str) -> list[str]:
        """Returns the slots that were retired and whose process has not ended."""
        return [slot.task.slot for slot in self._retiring if slot.task.role == role]

    @property
    def may_start(self) -> bool:
        """Whether processes may be started now."""
        return not self._closing and self._discovery is None

    def poll(self, timeout: float, also: Iterable[socket.socket] = ()) -> None:
        """Waits up to `timeout` seconds for a child (or for `also` to become readable) and handles what has come.

        If the machine runs out of anything meanwhile, the log says so, and the next pass is another try."""
        with self._outlive:
            self._turn(timeout, also)

    def _turn(self, timeout: float, also: Iterable[socket.socket]) -> None:
        self.tokens.serve(self._children())
        handles = [handle for slot in self._children() for handle in slot.handles()]
        multiprocessing.connection.wait([*handles, *self.sharing.handles(), *also], timeout)
        self._polled_at = self._clock()
        for slot in self._children():
            with self._outlive:
                slot.poll()
            if not slot.up:
                self.registry.lapse(owner_of(slot))
        self._retiring.poll()
        self.sharing.poll(self, self._partitions)
        for direction in map(self.directions.__getitem__, self.roles):
            if direction.divide is not None:
                direction.divide(self.config, self._sink_share.nodes(self.config))
        for slot in self._turns.begin():
            slot.begin_turn()
        for slot in self.slots:
            self.registry.set(PROCESS_UP, float(slot.up), *owner_of(slot), owner=owner_of(slot))
        if not self._closing:
            self._start_discovered()
            self._look_for_added()
        ready = not self._closing and not self.reloading and not self.unready()
        self.notifier.poll(ready=ready, coping=self.coping, status=self.status)

    def _start_discovered(self) -> None:
        """Starts the processes once the discovery has answered."""
        if self._discovery is None or self._discovery.alive or self._discovery.result is None:
            return
        found: dict[str, Any] = self._discovery.result
        self._watch.begin(self.config, found["partitions"])
        if self.config.cluster.shares:
            self.registry.keep_only(self._partitions.name, self.sharing.begin(self.config, found, self._name))
            self._discovery = None
            return
        self.sharing.leave()
        for direction in self.directions.values():
            if direction.discovery:
                self._start(direction, found)

    def _look_for_added(self) -> None:
        """Asks the hub when that is due, and starts a process for each added partition."""
        if self._question is None:
            if self._watch.due:
                self._watch.asked()
                [direction] = [each for each in self.directions.values() if each.look_again]
                facts = {"known": self.sharing.placed(self._watch.known)}
                self._question = self._slot("discover", "0", direction.look_again, facts, joins=True)
                self._question.start()
            return
        if self._question.alive or self._question.result is None:
            return
        answer: dict[str, Any] = self._question.result
        self._question = None
        new = self._watch.answer(answer)
        self.sharing.hear(answer)
        if new:
            logger.info("The hub was given more partitions, read from their oldest event: %s.", ", ".join(new))
            if self.sharing.active:
                self.sharing.grown(new, answer)
                return
            for direction in self.directions.values():
                for role in direction.roles if direction.look_again else ():
                    self.add(role, new, answer, direction.shared(self.config))

    @property
    def coping(self) -> bool:
        """Whether every heartbeat is fresh, or the child's replacement is under way. If not, a restart is better."""
        return all(slot.overdue < UNENDING_SECONDS for slot in self._all())

    @property
    def status(self) -> str:
        """One line for people: what works, and the first thing that does not."""
        if self.fatal:
            return f"cannot start: {self.fatal[1]}"
        if self._closing:
            return f"draining, {sum(slot.alive for slot in self._leaving)} processes are left"
        words = {role.name: role.status for direction in self.directions.values() for role in direction.roles}
        return status_line(words, self.slots, self.unready(), self.notes)

    @property
    def notes(self) -> str | None:
        """What people should know although the service works: its share of the hub, the last reload, its tokens."""
        return "; ".join(filter(None, (self.sharing.words, self.note, self.tokens.note))) or None

    @property
    def fatal(self) -> tuple[int, str] | None:
        """(exit code, sentence) once a first start was refused, so that going on is useless."""
        return next((slot.fatal for slot in self._all() if slot.fatal), None)

    def unready(self) -> list[str]:
        """Returns why the service is not ready, one line per reason; empty if it is ready."""
        reasons = [f"{slot}: {slot.detail}" for slot in list(self._all()) if not slot.ready] + self.sharing.unready()
        return reasons if reasons or self.slots or self.sharing.active else ["starting"]

    def close(self, deadline: Deadline, only: Collection[str] | None = None) -> None:
        """Asks all children to end, or those of some directions."""
        self._closing = True
        self._leaving = [slot for slot in self._children() if only is None or self._direction_of(slot) in only]
        for slot in self._leaving:
            slot.close(deadline)

    @property
    def _partitions(self) -> Role:
        """The role whose slots are partitions of the hub."""
        [role] = [role for direction in self.directions.values() if direction.look_again for role in direction.roles]
        return role

    def _direction_of(self, slot: SupervisedProcess) -> str:
        role = slot.task.role
        return next(
            name
            for name, direction in self.directions.items()
            if role in {each.name for each in direction.roles} or (role == "discover" and direction.discovery)
        )

    def terminate(self) -> None:
        for slot in self._children():
            slot.terminate()

    def join(self, deadline: Deadline) -> bool:
        """Waits for all children that were asked to end, and reads their last reports. Returns whether all ended."""
        while any(slot.alive for slot in self._leaving) and not deadline.expired:
            self.poll(min(0.5, deadline.remaining()))
        return not any(slot.alive for slot in self._leaving)

    def drain(self, seconds: float) -> bool:
        """Closes all children within `seconds`, terminates late ones, and leaves the other nodes. Returns whether all ended
        in time."""
        began = self._clock()
        graceful = self.join(self.begin_drain(seconds))
        self._end_drain()
        logger.debug("Drained in %.2f s.", self._clock() - began)
        self.sharing.leave(LEAVE_SECONDS)
        return graceful

    def begin_drain(self, seconds: float, only: Collection[str] | None = None) -> Deadline:
        """Asks all children to end, or those of some directions; for callers that do not wait in `drain`, but call
        `drained` until it is true."""
        deadline = Deadline(seconds)
        self.end_trials()  # they have nothing to save
        self.close(Deadline(seconds * CHILDREN_SHARE), only)
        return deadline

    def drained(self, deadline: Deadline) -> bool:
        """Whether the children that were asked to end have ended; at the deadline it ends them."""
        if any(slot.alive for slot in self._leaving) and not deadline.expired:
            return False
        self._end_drain()
        return True

    def _end_drain(self) -> None:
        stragglers = [slot for slot in self._leaving if slot.alive]
        if stragglers:
            logger.error(
                "Not drained in time, ended now: %s. What they held is read again at the next start.",
                ", ".join(map(str, stragglers)),
            )
            for slot in stragglers:
                slot.terminate()
            self.join(Deadline(KILLED_SECONDS))
        self._discovery = None if self._discovery in self._leaving else self._discovery
        self._question = None if self._question in self._leaving else self._question

    @property
    def unsaved(self) -> list[str]:
        """What the children could not save at their end."""
        return [f"{slot}: {sentence}" for slot in self.slots for sentence in slot.unsaved]

    def _all(self) -> list[SupervisedProcess]:
        """Returns the children that make up the service."""
        return [*([self._discovery] if self._discovery else []), *self.slots]

    def _children(self) -> list[SupervisedProcess]:
        return [*self._all(), *([self._question] if self._question else []), *self.trials, *self._retiring]

    def _forget_others(self, role: str, slots: Iterable[SupervisedProcess]) -> None:
        self.registry.keep_only(role, [slot.task.slot for slot in slots if slot.task.role == role])

    def _slot(self, role: str, index: str, entry: str, *facts: Mapping[str, Any], **more: Any) -> SupervisedProcess:
        joins = more.pop("joins", False) or self._lasting
        return self._maker.slot(role, index, entry, more.pop("config", self.config), *facts, joins=joins)
