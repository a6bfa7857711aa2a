"""The configuration as typed, frozen objects. The fields are the keys of the TOML file, one class per section.

Each key is declared once, with its kind, default and meaning: the loader, the example file and `print-config` are
driven by these declarations. Python evaluates a field's annotation after its default, with the field's name already
bound to that default: checks are therefore named with their module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

from ingest.config import connection_strings, values
from ingest.config.connection_strings import EventHubAddress, IotHubAddress
from ingest.config.kinds import (
    Choice,
    FilePath,
    Kind,
    Librdkafka,
    Name,
    Names,
    Number,
    SecretText,
    StartPosition,
    Whole,
)
from ingest.config.values import EARLIEST, NO_SECRET, Secret, Start


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key: how to read it and what to tell the user about it."""

    kind: Kind
    doc: str
    commented_example: str = ""
    """Shown commented out in the example file, for a key that has no default."""


_NO_C2D = "the basic tiers have no cloud-to-device messages: scale the hub to S1, S2 or S3"


@dataclass(frozen=True, slots=True)
class Hub:
    """The IoT Hub."""

    event_hub_connection_string: Annotated[
        Secret,
        Key(
            SecretText(
                connection_strings.event_hub, "Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…"
            ),
            "Where telemetry is read: portal → IoT Hub → Built-in endpoints → Event Hub-compatible endpoint.",
        ),
    ] = NO_SECRET
    iot_hub_connection_string: Annotated[
        Secret,
        Key(
            SecretText(connection_strings.iot_hub, "HostName=…;SharedAccessKeyName=service;SharedAccessKey=…"),
            "Where commands are sent: portal → IoT Hub → Shared access policies → service.",
        ),
    ] = NO_SECRET
    ca_file: Annotated[
        Path | None,
        Key(
            FilePath(optional=True, must_exist=True),
            "Extra certification authority for TLS (PEM). Empty: the usual ones.",
        ),
    ] = None
    retention_days: Annotated[
        int,
        Key(
            Whole(1, 7),
            "For how long the hub keeps telemetry: portal → IoT Hub → Built-in endpoints → Retain for. Only for the\n"
            "metric ingest_source_seconds_until_data_loss.",
        ),
    ] = 1

    @property
    def event_hub(self) -> EventHubAddress | None:
        """The parsed Event Hub-compatible connection string; None when there is none."""
        text = self.event_hub_connection_string.reveal()
        return connection_strings.event_hub(text) if text else None

    @property
    def iot_hub(self) -> IotHubAddress | None:
        """The parsed IoT Hub connection string; None when there is none."""
        text = self.iot_hub_connection_string.reveal()
        return connection_strings.iot_hub(text) if text else None


@dataclass(frozen=True, slots=True)
class Source:
    """Telemetry: Event Hub-compatible endpoint → Kafka."""

    topic: Annotated[str, Key(Name(values.topic_name, "iotin"), "Kafka topic that receives telemetry.")] = "iotin"
    consumer_group: Annotated[
        str, Key(Name(values.consumer_group, "$Default"), "Consumer group of the Event Hub-compatible endpoint.")
    ] = "$Default"
    partitions: Annotated[
        tuple[str, ...], Key(Names(values.partition_id, "0", empty=True), "Partitions to read. Empty: all.")
    ] = ()
    partitions_check_seconds: Annotated[
        int,
        Key(
            Whole(0, 86_400),
            "How often the hub is asked whether it was given more partitions, as event hubs behind a route can be; new\n"
            "ones are read from their oldest event. Only without a list of partitions. 0: never.",
        ),
    ] = 20
    start: Annotated[
        Start,
        Key(
            StartPosition(),
            'Where to begin without a checkpoint: "earliest", "latest", a time such as "2024-05-01T00:00:00Z", or\n'
            'instead of this key a table [source.start] of partition = "offset" (others begin at the earliest event).',
        ),
    ] = EARLIEST
    format: Annotated[
        str,
        Key(
            Choice(("json", "raw")),
            "One JSON object per event, or the body untouched with everything else in record headers.",
        ),
    ] = "json"
    transport: Annotated[
        str,
        Key(
            Choice(("fast", "sdk")),
            "Our own loop around the azure-eventhub client's socket, or that client as it is (slower).",
        ),
    ] = "fast"
    prefetch: Annotated[
        int,
        Key(Whole(0, 100_000), "Events that the hub may send ahead of each partition process. 0: tuned to the link."),
    ] = 0
    dead_letter_topic: Annotated[
        str, Key(Name(values.topic_name, "iotin.dead"), "Kafka topic for events that can never be delivered.")
    ] = "iotin.dead"
    max_dead_letters_per_minute: Annotated[
        int,
        Key(
            Whole(0, 1_000_000),
            "A partition with more dead letters in a minute waits, says so, and tries the event again. 0: no limit.",
        ),
    ] = 600
    stall_seconds: Annotated[
        float, Key(Number(5, 3600), "A partition that should move and has not for so long is reported and restarted.")
    ] = 20.0


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where the position of each partition is kept."""

    store: Annotated[
        Literal["blob", "file"],
        Key(Choice(("blob", "file")), "Azure Blob Storage, or a folder of this machine."),
    ] = "blob"
    blob_connection_string: Annotated[
        Secret,
        Key(
            SecretText(
                connection_strings.blob_storage,
                "DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net",
            ),
            'For store = "blob": portal → Storage account → Access keys → Connection string.',
        ),
    ] = NO_SECRET
    container: Annotated[
        str, Key(Name(values.container_name, "ingest-checkpoints"), "Blob container; created when missing.")
    ] = "ingest-checkpoints"
    path: Annotated[Path, Key(FilePath(), 'Folder, for store = "file"; created when missing.')] = Path(
        "/var/lib/ingest/checkpoints"
    )
    interval_seconds: Annotated[
        float,
        Key(Number(0.1, 3600), "At most one write per partition in this time; more than it is repeated after a crash."),
    ] = 5.0
    legacy_leases: Annotated[
        Literal["read", "ignore"],
        Key(
            Choice(("read", "ignore")),
            'For store = "blob": whether a partition without a checkpoint begins where the lease of an old Event Processor\n'
            "Host or Azure Function in the container ends.",
        ),
    ] = "read"


@dataclass(frozen=True, slots=True)
class Kafka:
    """The Kafka cluster."""

    bootstrap_servers: Annotated[
        str,
        Key(
            Name(values.bootstrap_servers, "kafka1:9092,kafka2:9092"),
            "host:port of one or more brokers, comma separated.",
        ),
    ] = "127.0.0.1:9092"
    producers: Annotated[
        int, Key(Whole(1, 16), "Producers per partition process; records are spread over them by device.")
    ] = 1
    librdkafka: Annotated[
        Mapping[str, str | Secret],
        Key(
            Librdkafka(),
            "Passed through to librdkafka under its own names. Secrets such as sasl.password also as …_file.",
        ),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sink:
    """Commands: Kafka → cloud-to-device messages."""

    topics: Annotated[tuple[str, ...], Key(Names(values.topic_name, "iotout"), "Kafka topics with commands.")] = (
        "iotout",
    )
    group_id: Annotated[str, Key(Name(None, "ingest-sink"), "Kafka consumer group.")] = "ingest-sink"
    processes: Annotated[int, Key(Whole(1, 64), "Sending processes.")] = 2
    tier: Annotated[
        Literal["F1", "S1", "S2", "S3"],
        Key(
            Choice(("F1", "S1", "S2", "S3"), other={"B1": _NO_C2D, "B2": _NO_C2D, "B3": _NO_C2D}),
            "The hub's tier: with `units` it gives the rate that the hub allows.",
        ),
    ] = "S1"
    units: Annotated[int, Key(Whole(1, 200), "The hub's number of units.")] = 1
    sends_per_second: Annotated[
        float | None, Key(Number(0.01, 100_000), "Messages/s of this node, instead of the tier's rate.", "10.0")
    ] = None
    ack: Annotated[
        Literal["none", "positive", "negative", "full"],
        Key(Choice(("none", "positive", "negative", "full")), "Which delivery feedback is asked for."),
    ] = "none"
    max_wait_seconds: Annotated[
        float,
        Key(
            Number(1, 7 * 86400),
            "A command that its device has held back for so long (queue full, no feedback) is dead-lettered.",
        ),
    ] = 3600.0
    dead_letter_topic: Annotated[
        str, Key(Name(values.topic_name, "iotout.dead"), "Kafka topic for commands that can never be sent.")
    ] = "iotout.dead"
    feedback_topic: Annotated[
        str, Key(Name(values.topic_name, "iotfeedback"), "Kafka topic for delivery feedback.")
    ] = "iotfeedback"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The HTTP port with /metrics, /healthz and /readyz."""

    host: Annotated[str, Key(Name(None, "127.0.0.1"), "Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Key(Whole(0, 65535), "Port to listen on. 0: any free one.")] = 9464


@dataclass(frozen=True, slots=True)
class Service:
    """The program as a whole."""

    shutdown_seconds: Annotated[
        float, Key(Number(1, 3600), "Time to drain on SIGTERM; keep it below systemd's TimeoutStopSec.")
    ] = 30.0
    log_format: Annotated[
        Literal["text", "json"], Key(Choice(("text", "json")), "Log lines for people or for machines.")
    ] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Key(Choice(("debug", "info", "warning", "error")), "The least important log line that is shown."),
    ] = "info"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. Picklable; its repr shows no secret."""

    hub: Hub = field(default_factory=Hub)
    source: Source = field(default_factory=Source)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    kafka: Kafka = field(default_factory=Kafka)
    sink: Sink = field(default_factory=Sink)
    metrics: Metrics = field(default_factory=Metrics)
    service: Service = field(default_factory=Service)
    path: Path | None = None
    """The TOML file that was read; None when there was none."""

    @property
    def reads_telemetry(self) -> bool:
        """Whether there is an event hub to read."""
        return bool(self.hub.event_hub_connection_string)

    @property
    def sends_commands(self) -> bool:
        """Whether there is an IoT hub to send to."""
        return bool(self.hub.iot_hub_connection_string)


SECTIONS: Final[Mapping[str, type[Any]]] = {
    "hub": Hub,
    "source": Source,
    "checkpoints": Checkpoints,
    "kafka": Kafka,
    "sink": Sink,
    "metrics": Metrics,
    "service": Service,
}
KEYS: Final[Mapping[str, Mapping[str, Key]]] = {
    section: {
        name: known
        for name, hint in get_type_hints(kind, include_extras=True).items()
        for known in getattr(hint, "__metadata__", ())
    }
    for section, kind in SECTIONS.items()
}
"""Section → key → its declaration, in the order of the file."""


def key_of(name: tuple[str, ...]) -> Key | None:
    """The declaration of the key (section, key); None when there is none."""
    return KEYS.get(name[0], {}).get(name[1]) if len(name) == 2 else None
