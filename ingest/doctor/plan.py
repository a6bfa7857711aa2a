"""Which checks a configuration needs, in the order of the output."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from ingest.config import Config
from ingest.doctor import clock
from ingest.doctor.check import Check, Verdict, fail, ok
from ingest.doctor.checkpoints import checkpoint_checks
from ingest.doctor.event_hub import KEY_CHECK, EventHubChecks
from ingest.doctor.identity import token_checks
from ingest.doctor.iot_hub import iot_hub_checks
from ingest.doctor.kafka import KafkaChecks
from ingest.doctor.local import METRICS, ask_decoder, ask_metrics_port, ask_secret_files, partitions_read
from ingest.doctor.schema_registry import schema_registry_checks
from ingest.errors import IngestError
from ingest.hub import redirect
from ingest.source.endpoint import with_endpoint

ENDPOINT = "event hub endpoint"


def checks_of(config: Config, environ: Mapping[str, str], now: Callable[[], float] = time.time) -> list[Check]:
    """Returns all checks. `now`: this machine's clock, epoch seconds."""
    config, found = with_event_hub(config)
    event_hub = EventHubChecks(config, METRICS) if config.hub.event_hub is not None else None

    def metrics_port() -> Verdict:
        verdict, running = ask_metrics_port(config.metrics)
        if event_hub is not None:
            event_hub.ingest_runs_here = running
            event_hub.read_here = partitions_read(config.metrics) if running else []
        return verdict

    def newest_event() -> datetime | None:
        return event_hub.newest_event if event_hub is not None else None

    where = str(config.path) if config.path is not None else "defaults and environment"
    local = [
        Check("configuration", lambda: ok(where)),
        Check("secret files", lambda: ask_secret_files(config.path, environ)),
        Check(METRICS, metrics_port),
        clock.clock_check(config, now, newest_event, (KEY_CHECK,) if event_hub is not None else ()),
    ]
    if event_hub is not None:
        local.append(Check("decoder", lambda: ask_decoder(config.source.format)))
    return local + found + _of_services(config, event_hub)


def connection_checks(config: Config) -> list[Check]:
    """Returns only the checks of the services that the configuration names, none of this machine."""
    config, found = with_event_hub(config)
    return found + _of_services(config, EventHubChecks(config) if config.hub.event_hub is not None else None)


def with_event_hub(config: Config) -> tuple[Config, list[Check]]:
    """Returns the configuration with the event hub that its IoT hub names, and what was seen of that; all other checks need
    it, so this one is over before they begin."""
    if not config.finds_event_hub:
        return config, []
    try:
        told = redirect.ask(config)
        found = with_endpoint(config, told)
    except IngestError as error:
        seen, _, fix = str(error).rpartition(": ")
        verdict = fail(seen or fix, fix if seen else "")
        return config, [Check(ENDPOINT, lambda: verdict)]
    return found, [Check(ENDPOINT, lambda: ok(f"the hub says that its events are at {told}"))]


def _of_services(config: Config, event_hub: EventHubChecks | None) -> list[Check]:
    checks = token_checks(config)
    checks += [*event_hub.checks(), *checkpoint_checks(config)] if event_hub is not None else []
    checks += schema_registry_checks(config)
    if config.hub.iot_hub is not None:
        checks += iot_hub_checks(config, config.hub.iot_hub)
    partitions = (lambda: event_hub.partitions) if event_hub is not None else None
    return checks + KafkaChecks(config, partitions).checks()
