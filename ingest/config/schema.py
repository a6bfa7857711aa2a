"""The configuration as typed, frozen objects. The fields are the keys of the TOML file, one class per section.

Each key is declared once, with its default, kind and meaning: the loader, the example file and `print-config` use these
declarations. In a class body a field's name hides a module-level name: checks are therefore named with their module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from ingest.config import connection_strings, proxies, values
from ingest.config.cluster import Cluster
from ingest.config.connection_strings import EventHubAddress, IotHubAddress
from ingest.config.identity import Identity
from ingest.config.keys import KEY, Key, key
from ingest.config.kinds import Choice, FilePath, Flag, Librdkafka, Name, Names, Number, SecretText, Text, Whole
from ingest.config.proxies import ProxyAddress
from ingest.config.source import Source
from ingest.config.values import NO_SECRET, Secret

NEED_REGISTRY: Final = ("connect-avro",)
"""The formats, of telemetry and of commands, that cannot be without `kafka.schema_registry.url`."""
_OLD_ACKS = {"None": "none", "PositiveOnly": "positive", "NegativeOnly": "negative", "Full": "full"}
"""The words of the old Kafka Connect connector."""
_NO_C2D = "the basic tiers have no cloud-to-device messages: scale the hub to S1, S2 or S3"


@dataclass(frozen=True, slots=True)
class Hub:
    """The IoT Hub."""

    event_hub_connection_string: Secret = key(
        NO_SECRET,
        SecretText(
            connection_strings.event_hub, "Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…"
        ),
        "Where telemetry is read: portal → IoT Hub → Built-in endpoints → Event Hub-compatible endpoint. Without it the hub\n"
        "of iot_hub_connection_string is asked where its events are, if there is a place for checkpoints.",
    )
    iot_hub_connection_string: Secret = key(
        NO_SECRET,
        SecretText(connection_strings.iot_hub, "HostName=…;SharedAccessKeyName=service;SharedAccessKey=…"),
        "Where commands are sent: portal → IoT Hub → Shared access policies → service.",
    )
    event_hub_namespace: str = key(
        "",
        Text(connection_strings.check_namespace, "NAME.servicebus.windows.net"),
        "With [identity], instead of event_hub_connection_string: the namespace of an Event Hub of your own that a route\n"
        "of the hub leads to, NAME.servicebus.windows.net. The hub's built-in endpoint takes keys only.",
    )
    event_hub_name: str = key("", Text(values.entity_name, "telemetry"), "The Event Hub's name in that namespace.")
    iot_hub_host: str = key(
        "",
        Text(connection_strings.check_host, "NAME.azure-devices.net"),
        "With [identity], instead of iot_hub_connection_string: where commands are sent, NAME.azure-devices.net.",
    )
    ca_file: Path | None = key(
        None,
        FilePath(optional=True, must_exist=True),
        "Extra certification authority for TLS (PEM). Empty: the usual ones.",
    )
    network: Literal["amqp", "websocket"] | None = key(
        None,
        Choice(("amqp", "websocket")),
        "AMQP on port 5671, or inside WebSocket on port 443, for networks that let nothing else out. Without this key:\n"
        "WebSocket where a proxy is used, as most proxies let only port 443 through, else AMQP.",
        '"websocket"',
    )
    retention_days: int = key(
        1,
        Whole(1, 7),
        "For how long the hub keeps telemetry: portal → IoT Hub → Built-in endpoints → Retain for. Only for the\n"
        "metric ingest_source_seconds_until_data_loss.",
    )

    @property
    def event_hub(self) -> EventHubAddress | None:
        """Where telemetry is read, without a key if an identity reads it; None if not configured."""
        text = self.event_hub_connection_string.reveal()
        if not text and self.event_hub_namespace and self.event_hub_name:
            return connection_strings.event_hub_without_key(self.event_hub_namespace, self.event_hub_name)
        return connection_strings.event_hub(text) if text else None

    @property
    def iot_hub(self) -> IotHubAddress | None:
        """Where commands are sent, without a key if an identity sends them; None if not configured."""
        text = self.iot_hub_connection_string.reveal()
        if not text and self.iot_hub_host:
            return connection_strings.iot_hub_without_key(self.iot_hub_host)
        return connection_strings.iot_hub(text) if text else None


@dataclass(frozen=True, slots=True)
class Proxy:
    """The HTTP proxy to the hub and to Blob Storage. Kafka is never reached through it."""

    url: str = key(
        "",
        Name(proxies.check_proxy, "http://proxy.example.com:3128", optional=True),
        "The proxy, with the user if it needs one: http://USER@HOST:PORT. Empty: that of HTTPS_PROXY in the environment,\n"
        "except for the hosts in NO_PROXY.",
        '"http://ingest@proxy.example.com:3128"',
    )
    password: Secret = key(
        NO_SECRET,
        SecretText(proxies.check_password, "the password alone"),
        "The user's password (Basic authentication).",
    )
    no_proxy: tuple[str, ...] = key(
        (),
        Names(proxies.check_exception, ".example.com", empty=True),
        'Hosts that are reached without it: names, domains such as ".example.com", addresses, networks, or "*" for all.',
    )

    def towards(self, host: str) -> ProxyAddress | None:
        """Returns the proxy on the way to a host; None if there is none."""
        if not self.url or proxies.is_excepted(host, self.no_proxy):
            return None
        return proxies.proxy(self.url, self.password)


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where the position of each partition is kept."""

    store: Literal["blob", "file"] = key("blob", Choice(), "Azure Blob Storage, or a folder of this machine.")
    blob_connection_string: Secret = key(
        NO_SECRET,
        SecretText(
            connection_strings.blob_storage,
            "DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net",
        ),
        'For store = "blob": portal → Storage account → Access keys → Connection string.',
    )
    blob_account_url: str = key(
        "",
        Text(connection_strings.check_account_url, "https://ACCOUNT.blob.core.windows.net"),
        "With [identity], instead of blob_connection_string: https://ACCOUNT.blob.core.windows.net.",
    )
    container: str = key(
        "ingest-checkpoints", Name(values.container_name, "ingest-checkpoints"), "Blob container; created if missing."
    )
    path: Path = key(Path("/var/lib/ingest/checkpoints"), FilePath(), 'Folder, for store = "file"; created if missing.')
    interval_seconds: float = key(
        5.0,
        Number(0.1, 3600),
        "At most one write per partition in this time. After a crash, the events since the last write come again.",
    )
    legacy_leases: Literal["read", "ignore"] = key(
        "read",
        Choice(),
        'For store = "blob": whether a partition without a checkpoint begins where the lease of an old Event Processor\n'
        "Host or Azure Function in the container ends.",
    )


@dataclass(frozen=True, slots=True)
class SchemaRegistry:
    """The schema registry, one that Confluent's clients can use; only for Avro."""

    url: str = key(
        "", Text(values.http_url, "https://registry:8081"), "Where it is, such as https://registry:8081. Empty: none."
    )
    user: str = key("", Text(None, "ingest"), "User name. Empty: it asks for none.", '"ingest"')
    password: Secret = key(NO_SECRET, SecretText(str, "…"), "The user's password.")
    ca_file: Path | None = key(
        None,
        FilePath(optional=True, must_exist=True),
        "Extra certification authority for TLS (PEM). Empty: the usual ones.",
    )
    auto_register: bool = key(
        True,
        Flag(),
        "Whether the schema of source.topic is registered at the start if it is not there; else it must be.",
    )


@dataclass(frozen=True, slots=True)
class Kafka:
    """The Kafka cluster."""

    bootstrap_servers: str = key(
        "127.0.0.1:9092",
        Name(values.bootstrap_servers, "kafka1:9092,kafka2:9092"),
        "host:port of one or more brokers, comma separated.",
    )
    kind: Literal["kafka", "event_hubs"] = key(
        "kafka", Choice(), "Apache Kafka and its like, or the Kafka endpoint of an Azure Event Hubs namespace."
    )
    connection_string: Secret = key(
        NO_SECRET,
        SecretText(connection_strings.namespace, "Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…"),
        'For kind = "event_hubs", and in place of bootstrap_servers: portal → Event Hubs namespace → Shared access\n'
        "policies.",
    )
    producers: int = key(1, Whole(1, 16), "Producers per partition process; records are spread over them by device.")
    librdkafka: Mapping[str, str | Secret] = field(
        default_factory=dict,
        metadata={
            KEY: Key(
                Librdkafka(),
                "Passed through to librdkafka under its own names. Secrets such as sasl.password also as …_file.",
            )
        },
    )
    schema_registry: SchemaRegistry = field(default_factory=SchemaRegistry)


@dataclass(frozen=True, slots=True)
class Sink:
    """Commands: Kafka → cloud-to-device messages."""

    topics: tuple[str, ...] = key(("iotout",), Names(values.topic_name, "iotout"), "Kafka topics with commands.")
    group_id: str = key(
        "ingest-sink", Name(values.group_id, "ingest-sink"), "Kafka consumer group; each hub needs its own."
    )
    format: Literal["auto", "json", "connect-json-schema", "connect-avro"] = key(
        "auto",
        Choice(),
        "How commands are written: a JSON object, Kafka Connect's envelope of schema and payload, Avro with a Schema\n"
        "Registry, or whichever of them each record is.",
    )
    lenient_expiry: bool = key(
        False,
        Flag(),
        "Read expiries as the old Kafka Connect connector did: a command in JSON whose expiryTime is bad is sent without\n"
        "it. Otherwise it is dead-lettered.",
    )
    transport: Literal["fast", "sdk"] = key(
        "fast",
        Choice(),
        "Commands and feedback over our own AMQP client, or over that of azure-iot-hub, uamqp, which is slower and needs the\n"
        "extra uamqp, up to Python 3.13.",
    )
    processes: int = key(2, Whole(1, 64), "Sending processes.")
    tier: Literal["F1", "S1", "S2", "S3"] = key(
        "S1",
        Choice(other={"B1": _NO_C2D, "B2": _NO_C2D, "B3": _NO_C2D}),
        "The hub's tier: with `units` it gives the rate that the hub allows.",
    )
    units: int = key(1, Whole(1, 200), "The hub's number of units.")
    sends_per_second: float | None = key(
        None, Number(0.01, 100_000), "Messages/s of this node, instead of the tier's rate.", "10.0"
    )
    ack: Literal["none", "positive", "negative", "full"] = key(
        "none", Choice(same=_OLD_ACKS), "Which delivery feedback to request."
    )
    max_wait_seconds: float = key(
        3600.0,
        Number(1, 7 * 86400),
        "A command that its device holds back for this long (queue full, no feedback) is dead-lettered.",
    )
    dead_letter_topic: str = key(
        "iotout.dead", Name(values.topic_name, "iotout.dead"), "Kafka topic for commands that can never be sent."
    )
    feedback_topic: str = key(
        "iotfeedback", Name(values.topic_name, "iotfeedback"), "Kafka topic for delivery feedback."
    )


@dataclass(frozen=True, slots=True)
class Metrics:
    """The HTTP port with the status page, /status.json, /metrics, /healthz and /readyz."""

    host: str = key("127.0.0.1", Name(None, "127.0.0.1"), "Address to listen on.")
    port: int = key(9464, Whole(0, 65535), "Port to listen on. 0: any free one.")
    allowed_hosts: tuple[str, ...] = key(
        (),
        Names(values.host_name, "ingest.example.com", empty=True),
        "On a loopback address: names besides this machine's own under which a reverse proxy on this machine may ask, or\n"
        'domains such as ".example.com".',
    )


@dataclass(frozen=True, slots=True)
class Service:
    """The program as a whole."""

    shutdown_seconds: float = key(
        30.0, Number(1, 3600), "Time to drain on SIGTERM; keep it below systemd's TimeoutStopSec."
    )
    log_format: Literal["text", "json"] = key("text", Choice(), "Log lines for people or for machines.")
    log_level: Literal["debug", "info", "warning", "error"] = key(
        "info", Choice(), "The least important log line that is shown."
    )


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. Picklable; its repr shows no secret."""

    hub: Hub = field(default_factory=Hub)
    identity: Identity = field(default_factory=Identity)
    proxy: Proxy = field(default_factory=Proxy)
    source: Source = field(default_factory=Source)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    cluster: Cluster = field(default_factory=Cluster)
    kafka: Kafka = field(default_factory=Kafka)
    sink: Sink = field(default_factory=Sink)
    metrics: Metrics = field(default_factory=Metrics)
    service: Service = field(default_factory=Service)
    path: Path | None = None
    """The TOML file that was read; None without a file."""

    @property
    def reads_telemetry(self) -> bool:
        """Whether there is an event hub to read, or one to be found."""
        return self._names_event_hub or self.finds_event_hub

    @property
    def finds_event_hub(self) -> bool:
        """Whether the IoT hub is asked where its events are: there is its key, a place for checkpoints, and no event hub.

        Without a place for checkpoints, the IoT hub's connection string is for commands alone."""
        checkpoints = self.checkpoints
        placed = checkpoints.store == "file" or checkpoints.blob_connection_string or checkpoints.blob_account_url
        return not self._names_event_hub and bool(self.hub.iot_hub_connection_string) and bool(placed)

    @property
    def needs_position_topic(self) -> bool:
        """Whether `source.position_topic` must be there: positions are kept in it, or nodes share its partitions."""
        return self.source.delivery == "exactly_once" or self.cluster.coordination == "kafka"

    @property
    def _names_event_hub(self) -> bool:
        return bool(self.hub.event_hub_connection_string or (self.hub.event_hub_namespace and self.hub.event_hub_name))

    @property
    def sends_commands(self) -> bool:
        """Whether there is an IoT hub to send to."""
        return bool(self.hub.iot_hub_connection_string or self.hub.iot_hub_host)
