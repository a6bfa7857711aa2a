"""`ingest check-config`: a configuration in a few lines, and whether every service that it names answers."""

from typing import TYPE_CHECKING

from ingest.cli.parsers import Commands, add_command, add_config, load_config
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.config import Config


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "check-config",
        "Check the configuration and show what it means.",
        "Prints every problem with its key, value and fix, and exits with 78; or ok and a summary.",
        "ingest check-config -c ingest.toml",
        lambda args: run(load_config(args, "check-config"), connect=args.connect),
    )
    add_config(parser)
    parser.add_argument(
        "--connect",
        action="store_true",
        help="also try every service that it names, as `ingest doctor` does; a failure exits 69",
    )


def run(config: "Config", *, connect: bool) -> int:
    """Prints the summary, and with `connect` what the doctor finds. Returns 69 if one of its checks fails.

    Raises ConfigError if the configuration's identity cannot be used."""
    from ingest.hub.auth import entra

    entra.check(config)
    print("ok")
    print(summary(config))
    if not connect:
        return EXIT_OK
    from ingest.cli import doctor

    failed = False
    for finding in doctor.try_connections(config):
        failed = failed or finding.result == "fail"
        fix = f"; {finding.fix}" if finding.fix else ""
        word = {"ok": "ok", "warn": "warn", "fail": "failed", "skipped": "skipped"}[finding.result]
        print(f"{word:<8}{printable(f'{finding.check}: {finding.seen}{fix}')}", flush=True)
    return EXIT_UNAVAILABLE if failed else EXIT_OK


def summary(config: "Config") -> str:
    """Returns one line per part, without secrets, and the reason for a direction that is not run."""
    from ingest.address import before_port
    from ingest.config import directions

    running = directions(config)
    lines = {"runs": f"{' and '.join(running)}, with `ingest run`"} if running else {}
    lines |= _source(config) if "source" in running else {"source": _not_run("event hub", "event_hub")}
    lines |= _sink(config) if "sink" in running else {"sink": _not_run("IoT hub to send to", "iot_hub")}
    lines |= _identity(config)
    lines |= _network(config, running)
    settings = f", {len(config.kafka.librdkafka)} librdkafka settings" if config.kafka.librdkafka else ""
    lines |= {
        "kafka": f"{config.kafka.bootstrap_servers}{', Azure Event Hubs' * (config.kafka.kind == 'event_hubs')}{settings}",
        "metrics": f"http://{before_port(config.metrics.host)}:{config.metrics.port or 'any free port'}/metrics",
    }
    return "\n".join(f"{name:<12}{text}" for name, text in lines.items())


def _not_run(what: str, key: str) -> str:
    return f"not run: no {what}, as hub.{key}_connection_string (or …_file) is not given"


def _source(config: "Config") -> dict[str, str]:
    from ingest.config.schema import NEED_REGISTRY

    source, checkpoints, hub = config.source, config.checkpoints, config.hub.event_hub
    iot_hub = config.hub.iot_hub
    address = (
        f"{hub.event_hub} at {hub.namespace}" if hub else f"where {iot_hub.host if iot_hub else ''} says its events are"
    )
    partitions = f"partitions {', '.join(source.partitions)}" if source.partitions else "all partitions"
    if config.cluster.shares:
        weight = f", weight {config.cluster.weight}" if config.cluster.weight != 1 else ""
        partitions = f"its share of all partitions (cluster.coordination {config.cluster.coordination}{weight})"
    form = source.format if source.has_keys else f"{source.format}, without keys"
    if source.format in NEED_REGISTRY:
        form += f", schema registry {config.kafka.schema_registry.url}"
    place = f"container {checkpoints.container}" if checkpoints.store == "blob" else f"folder {checkpoints.path}"
    once = f"exactly once, committed every {source.commit_interval_ms} ms, positions in {source.position_topic}"
    return {
        "source": f"{address}, consumer group {source.consumer_group}, {partitions}, from {_start(config)}",
        "telemetry": f"to {source.topic} ({form}), dead letters to {source.dead_letter_topic}",
        **({"delivery": once} if source.delivery == "exactly_once" else {}),
        "checkpoints": f"{place}, at most every {checkpoints.interval_seconds:g} s",
    }


def _sink(config: "Config") -> dict[str, str]:
    from ingest.hub.limits import sends_per_second

    sink, hub = config.sink, config.hub.iot_hub
    rate = sends_per_second(sink.tier, sink.units, sink.sends_per_second)
    processes = f"{sink.processes} process{'es' * (sink.processes != 1)}"
    said = f"{sink.tier} with {sink.units} unit{'s' * (sink.units != 1)}"
    pace = said if sink.sends_per_second is None else "sink.sends_per_second"
    feedback = "no feedback" if sink.ack == "none" else f"{sink.ack} feedback to {sink.feedback_topic}"
    return {
        "sink": f"{hub.host if hub else ''}, {processes}, at most {rate:.3g} commands/s ({pace})",
        "commands": f"from {', '.join(sink.topics)} (consumer group {sink.group_id}), dead letters to "
        f"{sink.dead_letter_topic}, {feedback}",
    }


def _identity(config: "Config") -> dict[str, str]:
    from ingest.hub.auth.identity import needed

    shown = [service.words for service in needed(config)]
    return {"identity": f"{config.identity.auth}, for {' and '.join(shown)}"} if shown else {}


def _network(config: "Config", running: tuple[str, ...]) -> dict[str, str]:
    """Returns the routes to the hubs that are not the usual ones."""
    from ingest.hub.network.route import event_hub_route, iot_hub_route

    event_hub, iot_hub = config.hub.event_hub, config.hub.iot_hub
    ways = [event_hub_route(config, event_hub)] if event_hub and "source" in running else []
    ways += [iot_hub_route(config, iot_hub)] if iot_hub and "sink" in running else []
    unusual = [str(way) for way in ways if way.proxy is not None or way.network == "websocket"]
    return {"network": "; ".join(unusual)} if unusual else {}


def _start(config: "Config") -> str:
    from ingest.config import At, Latest, Offsets

    match config.source.start:
        case At(time):
            return time.isoformat()
        case Offsets(by_partition):
            return f"the offsets of {len(by_partition)} partitions, else the earliest event"
        case Latest():
            return "the latest event"
        case _:
            return "the earliest event"
