"""The Event Hub-compatible endpoint of a configuration that has the IoT hub's connection string alone.

The hub names it (`ingest.hub.redirect`). The answer stays the same for the life of the hub, but after a failover to another
region. The last one is kept beside the checkpoints, for a start while the hub's service side does not answer.
"""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from ingest.config import Config
from ingest.errors import IngestError, RestartRequired, Unreachable
from ingest.hub import redirect
from ingest.hub.link_errors import LinkEnded
from ingest.hub.redirect import Endpoint
from ingest.process.child import Child
from ingest.process.waiting import wait_until_available
from ingest.source.checkpoints import whole_files
from ingest.timing import Clock

ASK_SECONDS: Final = 30.0
"""Between two questions where the events are, while the endpoint cannot be reached."""
_FACT: Final = "event_hub"

logger = logging.getLogger(__name__)


class Memory(Protocol):
    """Keeps the last answer. Raises OSError or IngestError."""

    def load(self) -> bytes | None: ...

    def save(self, content: bytes) -> None: ...


class _File:
    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name

    def load(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def save(self, content: bytes) -> None:
        whole_files.save(self._path, content)


def memory(config: Config) -> Memory:
    """Returns what keeps the last answer of the configuration's hub, beside its checkpoints."""
    hub = config.hub.iot_hub
    name = f"event-hub-of-{quote(hub.host.lower() if hub else '', safe='')}"
    if config.checkpoints.store == "file":
        return _File(config.checkpoints.path, f"{name}.json")
    from ingest.source.checkpoints.blob_note import BlobNote

    return BlobNote(config.checkpoints, name, config.proxy)


def find(config: Config, *, fresh: bool = False) -> Config:
    """Returns the configuration with its event hub; the same if it has one. Asks the hub if nothing is kept, or with
    `fresh`. Raises Refused, Unreachable or ConfigError."""
    if not config.finds_event_hub:
        return config
    kept, place = None, memory(config)
    try:
        kept = _parsed(config, place.load())
    except (OSError, IngestError) as error:
        logger.warning("Where the hub's events were last is not known: %s.", error)
    if kept is not None and not fresh:
        return with_endpoint(config, kept)
    try:
        told = redirect.ask(config)
    except Unreachable as error:
        if kept is None:
            raise
        logger.warning("%s. Its events are read where they were last: %s.", str(error).rstrip("."), kept)
        return with_endpoint(config, kept)
    if told != kept:
        logger.info("The hub's events are at the Event Hub %s.", told)
        try:
            place.save(json.dumps(told._asdict()).encode())
        except (OSError, IngestError) as error:
            logger.warning("Where the hub's events are cannot be kept: %s.", error)
    return with_endpoint(config, told)


def settled_here(config: Config) -> Config:
    """Returns the configuration with its event hub, for a command, which has no supervisor that fetches tokens. Errors as
    `find`."""
    from ingest.hub.auth.entra import fetch_here

    fetch_here(config)
    return find(config)


def with_endpoint(config: Config, endpoint: Endpoint) -> Config:
    """Returns the configuration as if it had the endpoint's connection string."""
    hub = config.hub.iot_hub
    assert hub is not None
    return replace(
        config, hub=replace(config.hub, event_hub_connection_string=redirect.connection_string(endpoint, hub))
    )


def settle(child: Child, *, fresh: bool = False) -> None:
    """Puts the event hub into the child's task. Waits for the hub while it does not answer. Raises Refused."""
    config = child.task.config
    if not config.finds_event_hub:
        return
    known: Endpoint | None = child.task.facts.get(_FACT)
    if known is not None:
        settled: Config | None = with_endpoint(config, known)
    else:
        settled = wait_until_available(child, "asking the hub where its events are", lambda: find(config, fresh=fresh))
    if settled is not None:
        child.task = replace(child.task, config=settled)


def facts(config: Config, settled: Config) -> dict[str, Endpoint]:
    """Returns what the other processes need not ask again; nothing if `config` has an event hub of its own."""
    hub = settled.hub.event_hub
    if not config.finds_event_hub or hub is None:
        return {}
    return {_FACT: Endpoint(hub.host if hub.port is None else f"{hub.host}:{hub.port}", hub.event_hub)}


def forget(config: Config) -> None:
    """Has the hub asked again at the next start: what is kept is refused. Raises nothing."""
    if config.finds_event_hub:
        try:
            memory(config).save(b"")
        except (OSError, IngestError) as error:
            logger.warning("Where the hub's events were cannot be forgotten: %s.", error)


def _parsed(config: Config, content: bytes | None) -> Endpoint | None:
    """Returns what was kept; None if that is damaged."""
    try:
        fields = json.loads(content or b"")
        found = Endpoint(fields["host"], fields["event_hub"])
        with_endpoint(config, found)
    except (ValueError, KeyError, TypeError):
        return None
    return found if all(isinstance(each, str) for each in found) else None


class EndpointWatch:
    """Asks the hub again where its events are when they are no longer where they were. `ended` at each end of a link."""

    def __init__(self, config: Config, settled: Config, clock: Clock, ask: Callable[..., Config] = find) -> None:
        """`config` is the user's own, `settled` has the endpoint in it."""
        self._config = config
        self._settled = settled
        self._clock = clock
        self._ask = ask
        self._asked_at = -ASK_SECONDS
        self._found: list[Config] = []

    def ended(self, ended: LinkEnded) -> None:
        """Takes the end of a link."""
        if not (self._config.finds_event_hub and ended.elsewhere) or self._clock() - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = self._clock()
        threading.Thread(target=self._run, name="endpoint", daemon=True).start()

    def poll(self) -> None:
        """Raises RestartRequired if the events are elsewhere: positions and checkpoints there are others."""
        if self._found and self._found[0].hub.event_hub != self._settled.hub.event_hub:
            hub = self._found[0].hub.event_hub
            raise RestartRequired(f"the hub's events are at another endpoint now: {hub.event_hub if hub else ''}")
        self._found.clear()

    def _run(self) -> None:
        try:
            self._found.append(self._ask(self._config, fresh=True))
        except IngestError as error:
            logger.warning("Where the hub's events are now is not known: %s.", str(error).rstrip("."))
