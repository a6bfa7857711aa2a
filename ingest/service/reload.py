"""A reload as a transaction: it tries the new configuration against the services, and only then changes processes.

If anything is wrong with it, the old one goes on, and `Service.note` says why. Nothing here blocks: `poll` is a step of
the supervisor's loop, so that a stop takes effect at any time.
"""

import logging
from collections.abc import Callable, Collection
from typing import Literal, Protocol

from ingest.config import Config, directions
from ingest.errors import ConfigError
from ingest.process.supervised import SupervisedProcess
from ingest.service.roles import Direction, changed_directions
from ingest.service.systemd import Notifier
from ingest.timing import Deadline

TRY_SECONDS = 60.0
"""If a service has not answered by then, the new configuration is refused."""

logger = logging.getLogger(__name__)


class Service(Protocol):
    """What a reload works on: the supervisor. `only` names the directions, if not all."""

    config: Config
    roles: tuple[str, ...]
    """The directions of the command."""
    directions: dict[str, Direction]
    notifier: Notifier
    note: str | None
    """Why the last reload changed nothing, for people; None if it worked."""
    reloading: bool
    """Whether a reload is requested or under way, except the start of an accepted configuration."""
    trials: list[SupervisedProcess]

    def try_out(self, config: Config, roles: tuple[str, ...]) -> None:
        """Starts `trials`: a one-shot child for each role."""

    def end_trials(self) -> None: ...

    @property
    def fatal(self) -> tuple[int, str] | None: ...

    def begin_drain(self, seconds: float, only: Collection[str] | None = None) -> Deadline: ...

    def drained(self, deadline: Deadline) -> bool:
        """Whether the children that were asked to end have ended; at the deadline it ends them."""

    def start_anew(
        self, config: Config, running: tuple[str, ...], only: Collection[str] | None = None, *, lasting: bool = False
    ) -> None: ...

    def unready(self) -> list[str]: ...


class Reload:
    """`ask` for a reload, `poll` until it is done; further requests in between count as one."""

    def __init__(self, service: Service, load: Callable[[], Config]) -> None:
        """`load` reads and checks the new configuration."""
        self._service = service
        self._load = load
        self._asked = False
        self._phase: Literal["idle", "trying", "draining", "settling"] = "idle"
        self._next: tuple[Config, tuple[str, ...]] = service.config, service.roles
        """The configuration to try, or to start after the drain, and its roles."""
        self._changed: frozenset[str] = frozenset()
        """The directions that restart; the others go on."""
        self._lasting = False
        self._before: tuple[Config, tuple[str, ...]] | None = None
        """The last configuration that worked, until the new one works."""
        self._running = service.roles
        self._worked = False
        self._deadline = Deadline(0)

    def ask(self) -> None:
        """Takes a SIGHUP."""
        self._asked = self._service.reloading = True
        self._service.notifier.reloading()

    def poll(self) -> None:
        """Takes the next step if it is due."""
        if self._phase in ("idle", "settling") and not self._service.unready():
            self._worked, self._before, self._phase = True, None, "idle"
        if self._asked and self._phase != "draining":
            self._asked = False
            self._service.end_trials()
            if self._phase == "trying":
                self._phase = "idle" if self._before is None else "settling"
            self._begin()
        elif self._phase == "trying":
            self._judge()
        elif self._phase == "draining" and self._service.drained(self._deadline):
            self._start()

    def go_back(self) -> bool:
        """For a refused first start of a child. Returns whether a reload caused it, and then undoes that reload."""
        if self._phase == "draining":
            return True
        if self._before is None or self._service.reloading:
            # During the next trial, a configuration that fails is about to be replaced or undone.
            return self._before is not None
        reason = self._service.fatal[1] if self._service.fatal else "no reason was given"
        self._say(f"the new configuration is refused after all, going back to the old one: {reason}", reason)
        self._next, self._before, self._lasting = self._before, None, True
        self._drain()
        return True

    def _begin(self) -> None:
        try:
            config = self._load()
        except ConfigError as error:
            self._refuse("is wrong", str(error))
            return
        except Exception as error:  # whatever a file, a disk or a name causes: the service goes on
            logger.debug("SIGHUP", exc_info=True)
            self._refuse("cannot be read", f"{type(error).__name__}: {error}")
            return
        service = self._service
        if config == service.config:
            logger.info("SIGHUP: the configuration has not changed.")
            self._end(None)
            return
        configured = directions(config)
        running = tuple(role for role in service.roles if role in configured) or service.roles
        self._next, self._phase = (config, running), "trying"
        self._deadline = Deadline(TRY_SECONDS)
        logger.info("SIGHUP: the new configuration is tried; the old one goes on meanwhile.")
        changed = self._changing()
        service.try_out(config, tuple(name for name in running if name in changed))

    def _judge(self) -> None:
        trials = self._service.trials
        for slot in trials:
            if slot.fatal is not None:
                self._refuse("is refused", f"{slot}: {slot.fatal[1]}")
                return
            if not slot.alive and slot.result is None:
                self._refuse("cannot be tried", f"{slot}: {slot.detail}")
                return
        waiting = [slot for slot in trials if slot.alive]
        if not waiting:
            self._accept()
        elif self._deadline.expired:
            why = "; ".join(f"{slot}: {slot.detail}" for slot in waiting)
            self._refuse("is not taken", f"no answer within {TRY_SECONDS:g} s: {why}")

    def _accept(self) -> None:
        service = self._service
        config, running = self._next
        service.end_trials()
        old = service.config
        if (config.metrics.host, config.metrics.port) != (old.metrics.host, old.metrics.port):
            logger.warning("SIGHUP: metrics.host and metrics.port change at the next restart only.")
        for role in directions(config):
            if role not in service.roles and role not in directions(old):
                logger.warning(
                    "SIGHUP: the %s is configured now; `ingest run` takes it in at the next restart only.", role
                )
        if running != service.roles:
            logger.warning("SIGHUP: only the %s is configured now; the other direction stops.", *running)
        changed = self._changing()
        what = (
            f"the {' and the '.join(sorted(changed))} starts again with it"
            if changed
            else "no process reads what changed"
        )
        logger.info("SIGHUP: the configuration is good; %s.", what)
        if self._worked and self._before is None:
            self._before = old, self._running
        self._lasting = False
        service.note = None
        self._drain()

    def _changing(self) -> frozenset[str]:
        """The directions that `_next` starts again, ends or begins."""
        service = self._service
        return changed_directions(service.directions, (service.config, self._running), self._next)

    def _drain(self) -> None:
        service = self._service
        self._phase = "draining"
        self._changed = self._changing()
        self._deadline = service.begin_drain(service.config.service.shutdown_seconds, self._changed)

    def _start(self) -> None:
        config, self._running = self._next
        self._phase = "settling"
        self._service.reloading = self._asked
        self._service.start_anew(config, self._running, self._changed, lasting=self._lasting)

    def _refuse(self, how: str, why: str) -> None:
        self._say(f"the new configuration {how}, going on with the old one: {why}", why)
        self._end(self._service.note)

    def _say(self, words: str, why: str) -> None:
        logger.error("SIGHUP: %s", words)
        self._service.note = f"reload refused: {why}"

    def _end(self, note: str | None) -> None:
        """Ends the reload without a change."""
        self._service.end_trials()
        self._phase = "idle" if self._before is None else "settling"
        self._service.note = note
        self._service.reloading = False
        self._service.notifier.unchanged()
