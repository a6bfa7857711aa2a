"""The service as one process: signals, the supervisor's loop, reloads, and an honest report at the end."""

import faulthandler
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial

from ingest import logs
from ingest.config import Config
from ingest.errors import EXIT_CRASH, EXIT_OK
from ingest.process import forkserver
from ingest.process.last_resort import LastResort
from ingest.service import own_folder
from ingest.service.reload import Reload
from ingest.service.signals import Signals
from ingest.service.supervisor import KILLED_SECONDS, LEAVE_SECONDS, Supervisor
from ingest.service.systemd import Notifier
from ingest.timing import Deadline

END_SECONDS = 1.0
"""Time for the fork server to end, which has nothing to save."""
SPARE_SECONDS = 2.0
"""Added to the time for a drain and for the end of those that do not drain."""

logger = logging.getLogger(__name__)


def run(config: Config, *, roles: tuple[str, ...], reload: Callable[[], Config]) -> int:
    """Runs the roles until a signal ends them; returns the exit code. Raises ConfigError if the port is taken."""
    faulthandler.enable()  # systemd's watchdog ends a hung service by SIGABRT: its stacks go to the journal
    logs.configure(config.service.log_format, config.service.log_level)
    # Before the fork server starts, whose children would inherit systemd's variables.
    notifier = Notifier(os.environ)
    supervisor = Supervisor(config, roles=roles, notifier=notifier)
    last_resort = LastResort(
        lambda: (
            supervisor.config.service.shutdown_seconds
            + KILLED_SECONDS
            + (LEAVE_SECONDS if supervisor.sharing.active else 0)
            + SPARE_SECONDS
        ),
        partial(_end_all, supervisor),
    )
    last_resort.start()
    signals = Signals(last_resort.stop_asked)
    folder = own_folder.claim()
    supervisor.start()
    last_words = "stopped"
    try:
        code = _loop(supervisor, signals, reload)
        last_words = f"cannot start: {supervisor.fatal[1]}" if supervisor.fatal else _unsaved(supervisor) or last_words
    finally:
        supervisor.tokens.close()
        supervisor.exposition.close()
        notifier.close(last_words)
        last_resort.close()
    if multiprocessing.active_children():
        # Their fork server does not report their ends, and Python would wait for that forever.
        _end_all(supervisor)
        own_folder.leave(folder)
        logging.shutdown()
        os._exit(code)
    forkserver.end(Deadline(END_SECONDS))
    own_folder.leave(folder)
    return code


def _end_all(supervisor: Supervisor) -> None:
    supervisor.terminate()
    forkserver.end(Deadline(END_SECONDS))


def _unsaved(supervisor: Supervisor) -> str | None:
    return f"stopped, and not all was saved: {'; '.join(supervisor.unsaved)}" if supervisor.unsaved else None


def _loop(supervisor: Supervisor, signals: Signals, load: Callable[[], Config]) -> int:
    reload = Reload(supervisor, load)
    while True:
        supervisor.poll(0.5, [signals.readable])
        if supervisor.fatal and not reload.go_back():
            code, sentence = supervisor.fatal
            logger.error("Cannot start: %s", sentence)
            supervisor.notifier.stopping()
            supervisor.drain(supervisor.config.service.shutdown_seconds)
            return code
        match signals.take():
            case signal.SIGTERM | signal.SIGINT as number:
                return _stop(supervisor, signal.Signals(number))
            case signal.SIGHUP:
                reload.ask()
        reload.poll()


def _stop(supervisor: Supervisor, number: signal.Signals) -> int:
    seconds = supervisor.config.service.shutdown_seconds
    logger.info("%s: draining within %g s.", number.name, seconds)
    supervisor.notifier.stopping()

    def now(*_: object) -> None:
        _end_all(supervisor)
        os._exit(EXIT_CRASH)

    for again in (signal.SIGTERM, signal.SIGINT):
        signal.signal(again, now)
    graceful = supervisor.drain(seconds)
    unsaved = _unsaved(supervisor)
    if unsaved:
        logger.error("%s.", unsaved[0].upper() + unsaved[1:])
    else:
        logger.info("Stopped.")
    return EXIT_OK if graceful and not unsaved else EXIT_CRASH
