"""Reloads for tests that have no loop of the service around their supervisor."""

from ingest.config import Config, directions
from ingest.service.reload import Reload
from ingest.service.supervisor import Supervisor
from ingest.timing import Deadline

SECONDS = 60.0


def reload(supervisor: Supervisor, config: Config) -> None:
    """Until the children of the new configuration are started."""
    asked, deadline = Reload(supervisor, lambda: config), Deadline(SECONDS)
    asked.ask()
    while supervisor.reloading:
        assert not deadline.expired, supervisor.status
        supervisor.poll(0.05)
        asked.poll()
    assert supervisor.note is None, supervisor.note


def take_over(supervisor: Supervisor, config: Config) -> None:
    """The same for a configuration that no service need take."""
    supervisor.drain(SECONDS)
    configured = directions(config)
    supervisor.start_anew(config, tuple(role for role in supervisor.roles if role in configured) or supervisor.roles)
