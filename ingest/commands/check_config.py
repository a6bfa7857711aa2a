"""`ingest check-config`: what a configuration means in a few lines, and whether everything it names answers."""

from ingest.config import At, Config, Latest, Offsets
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE, ConfigError, Problem


def run(config: Config, *, connect: bool) -> int:
    print("ok")
    print(summary(config))
    if not connect:
        return EXIT_OK
    if config.hub.event_hub is None:
        fix = "is needed for --connect, which tries the source's side: `ingest doctor` tries both"
        raise ConfigError([Problem("hub.event_hub_connection_string", "", fix)])
    from ingest.source.probe import probe_connections

    all_ok = True
    for result in probe_connections(config):
        all_ok = all_ok and result.ok
        print(f"{'ok    ' if result.ok else 'failed'}  {result.name}: {result.detail}", flush=True)
    return EXIT_OK if all_ok else EXIT_UNAVAILABLE


def summary(config: Config) -> str:
    """One line per part, without secrets."""
    source, checkpoints, kafka = config.source, config.checkpoints, config.kafka
    hub = config.hub.event_hub
    address = f"{hub.event_hub} at {hub.namespace}" if hub else "no event hub"
    partitions = f"partitions {', '.join(source.partitions)}" if source.partitions else "all partitions"
    place = f"container {checkpoints.container}" if checkpoints.store == "blob" else f"folder {checkpoints.path}"
    settings = f", {len(kafka.librdkafka)} librdkafka settings" if kafka.librdkafka else ""
    lines = {
        "source": f"{address}, consumer group {source.consumer_group}, {partitions}, from {_start(config)}",
        "topics": f"{source.topic} ({source.format}), dead letters to {source.dead_letter_topic}",
        "checkpoints": f"{place}, at most every {checkpoints.interval_seconds:g} s",
        "kafka": f"{kafka.bootstrap_servers}{settings}",
        "metrics": f"http://{config.metrics.host}:{config.metrics.port or 'any free port'}/metrics",
    }
    return "\n".join(f"{name:<12}{text}" for name, text in lines.items())


def _start(config: Config) -> str:
    match config.source.start:
        case At(time):
            return time.isoformat()
        case Offsets(by_partition):
            return f"the offsets of {len(by_partition)} partitions, else the earliest event"
        case Latest():
            return "the latest event"
        case _:
            return "the earliest event"
