"""Rules between keys, and which keys a command requires."""

from collections.abc import Mapping, Set
from typing import Literal

from ingest import extras
from ingest.config import event_hubs
from ingest.config.cluster_rules import broken_cluster
from ingest.config.delivery_rules import broken_delivery
from ingest.config.identity_rules import Broken, broken_identity
from ingest.config.schema import NEED_REGISTRY, Config, Kafka
from ingest.config.sections import key_of
from ingest.config.values import Offsets
from ingest.errors import Problem

Command = Literal["run", "source", "sink", "checkpoints", "topics", "check-config", "print-config"]


def directions(config: Config, command: Command = "run") -> tuple[str, ...]:
    """Returns what a command runs: `source` and `sink` only themselves, the others what has a connection string."""
    if command in ("source", "sink"):
        return (command,)
    configured = {"source": config.reads_telemetry, "sink": config.sends_commands}
    return tuple(direction for direction, is_configured in configured.items() if is_configured)


def broken_rules(config: Config, command: Command, bad: Set[str], environ: Mapping[str, str]) -> list[Problem]:
    """Returns every broken rule, except those about a key in `bad` (dotted), whose value is not the user's. `environ` may
    have what a Kubernetes workload is."""
    return [
        problem
        for keys, problem in [
            *_required(config, command),
            *_registry(config, command),
            *_packages(config, command),
            *_topics(config),
            *_partitions(config),
            *_proxy(config),
            *event_hubs.contradictions(config.kafka, connects=command != "print-config"),
            *_token(config.kafka),
            *broken_delivery(config),
            *broken_cluster(config),
            *broken_identity(config, environ),
        ]
        if bad.isdisjoint(keys)
    ]


def _required(config: Config, command: Command) -> Broken:
    # `run` runs what is configured: only commands if there is nothing to read telemetry with.
    only_commands = command in ("run", "check-config") and config.sends_commands and not config.reads_telemetry
    reads_hub = command in ("run", "source", "checkpoints", "check-config") and not only_commands
    iot_hub = config.hub.iot_hub
    has_hub = config.hub.event_hub is not None or (iot_hub is not None and bool(iot_hub.key))
    if reads_hub and not has_hub:
        either = ", or hub.iot_hub_connection_string for commands alone" if command in ("run", "check-config") else ""
        identity = _or_identity(config, ", or hub.event_hub_namespace and hub.event_hub_name for the identity")
        keys, problem = _missing("hub", "event_hub_connection_string", identity + either)
        yield (*keys, "hub.event_hub_namespace", "hub.event_hub_name"), problem
    checkpoints = config.checkpoints
    has_account = checkpoints.blob_connection_string or checkpoints.blob_account_url
    if reads_hub and checkpoints.store == "blob" and not has_account:
        identity = _or_identity(config, ", or checkpoints.blob_account_url for the identity")
        keys, problem = _missing(
            "checkpoints", "blob_connection_string", f'{identity}, or write checkpoints.store = "file"'
        )
        yield (*keys, "checkpoints.store", "checkpoints.blob_account_url"), problem
    if command == "sink" and not config.sends_commands:
        keys, problem = _missing(
            "hub", "iot_hub_connection_string", _or_identity(config, ", or hub.iot_hub_host for the identity")
        )
        yield (*keys, "hub.iot_hub_host"), problem


def _or_identity(config: Config, words: str) -> str:
    return "" if config.identity.auth == "key" else words


def _registry(config: Config, command: Command) -> Broken:
    for direction, form in (("source", config.source.format), ("sink", config.sink.format)):
        uses = command in ("run", direction, "check-config") and direction in directions(config, command)
        if uses and form in NEED_REGISTRY and not config.kafka.schema_registry.url:
            name, key = "kafka.schema_registry.url", f"{direction}.format"
            fix = f'is required by {key} = "{form}": write where the registry is, such as "https://registry:8081"'
            yield (name, key), Problem(name, "", fix)
    registry = config.kafka.schema_registry
    if registry.password and not registry.user:
        name = "kafka.schema_registry.user"
        yield (
            (name, "kafka.schema_registry.password"),
            Problem(name, "", "is required by a password: write whose it is"),
        )


def _packages(config: Config, command: Command) -> Broken:
    sends = command in ("run", "sink", "check-config") and "sink" in directions(config, command)
    reason = extras.without_uamqp() if sends and config.sink.transport == "sdk" else None
    if reason:
        yield (
            ("sink.transport",),
            Problem("sink.transport", '"sdk"', f'{reason}; or write "fast", or leave this key out'),
        )


def _missing(section: str, name: str, otherwise: str = "") -> tuple[tuple[str, ...], Problem]:
    key = key_of((section, name))
    where = " ".join(key.doc.split()).rstrip(".") if key else ""
    dotted = f"{section}.{name}"
    fix = f"is required: write it, or the path of a file with it as {dotted}_file{otherwise} ({where})"
    return (dotted,), Problem(dotted, "", fix)


def _topics(config: Config) -> Broken:
    source, sink = config.source, config.sink
    if source.dead_letter_topic == source.topic:
        keys = ("source.dead_letter_topic", "source.topic")
        yield keys, _same_topic(keys, source.topic, "dead letters would be mixed with telemetry")
    for key, topic, harm in (
        ("sink.dead_letter_topic", sink.dead_letter_topic, "dead letters would be read as commands"),
        ("sink.feedback_topic", sink.feedback_topic, "feedback would be read as commands"),
        ("source.topic", source.topic, "telemetry would be read as commands"),
        ("source.dead_letter_topic", source.dead_letter_topic, "dead letters would be read as commands"),
    ):
        if topic in sink.topics:
            yield (key, "sink.topics"), _same_topic((key, "sink.topics"), topic, harm)


def _same_topic(keys: tuple[str, str], topic: str, harm: str) -> Problem:
    return Problem(
        keys[0], f'"{topic}"', f"the same topic as in {keys[1]}, so {harm}: choose another, such as {topic}.other"
    )


def _partitions(config: Config) -> Broken:
    start, read = config.source.start, config.source.partitions
    if isinstance(start, Offsets) and read:
        for partition in sorted(set(start.by_partition) - set(read)):
            fix = "this partition is not in source.partitions: add it there, or leave it out here"
            yield ("source.start", "source.partitions"), Problem(f"source.start.{partition}", "", fix)


def _proxy(config: Config) -> Broken:
    proxy = config.proxy.towards("")
    if config.proxy.password and (proxy is None or not proxy.username):
        fix = "there is no user for it: write proxy.url as http://USER@HOST:PORT"
        yield ("proxy.password", "proxy.url", "proxy.no_proxy"), Problem("proxy.password", "***", fix)
    hub = config.hub.event_hub if config.reads_telemetry else None
    if hub is not None and hub.emulator and config.hub.network == "websocket":
        fix = "an emulator without TLS (UseDevelopmentEmulator=true) has no WebSocket: leave this key out"
        yield ("hub.network", "hub.event_hub_connection_string"), Problem("hub.network", '"websocket"', fix)


def _token(kafka: Kafka) -> Broken:
    chosen = {name: str(value).lower() for name, value in kafka.librdkafka.items()}
    for name in ("sasl.mechanism", "sasl.mechanisms"):
        fetches = chosen.get("sasl.oauthbearer.method") == "oidc" or "enable.sasl.oauthbearer.unsecure.jwt" in chosen
        if chosen.get(name) == "oauthbearer" and not fetches:
            key = f"kafka.librdkafka.{name}"
            fix = (
                'gets no token without "sasl.oauthbearer.method" = "oidc": write that, and '
                "sasl.oauthbearer.token.endpoint.url, .client.id, .client.secret_file and .scope"
            )
            yield (key,), Problem(key, '"OAUTHBEARER"', fix)
