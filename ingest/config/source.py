"""The section [source] of the configuration, see `ingest.config.schema`."""

from dataclasses import dataclass
from typing import Literal

from ingest.config import values
from ingest.config.keys import key
from ingest.config.kinds import Choice, Name, Names, Number, StartPosition, Whole
from ingest.config.values import EARLIEST, Start


@dataclass(frozen=True, slots=True)
class Source:
    """Telemetry: Event Hub-compatible endpoint → Kafka."""

    topic: str = key("iotin", Name(values.topic_name, "iotin"), "Kafka topic that receives telemetry.")
    consumer_group: str = key(
        "$Default", Name(values.consumer_group, "$Default"), "Consumer group of the Event Hub-compatible endpoint."
    )
    audit_consumer_group: str = key(
        "",
        Name(values.consumer_group, "audit", optional=True),
        "Consumer group in which `ingest audit` and `ingest replay` read from the hub beside a running ingest: one that\n"
        "nobody else reads. Empty: the one above.",
    )
    partitions: tuple[str, ...] = key(
        (), Names(values.partition_id, "0", empty=True), "Partitions to read. Empty: all."
    )
    partitions_check_seconds: int = key(
        20,
        Whole(0, 86_400),
        "How often to ask the hub for new partitions, which event hubs behind a route can get; they are read from their\n"
        "oldest event. Only without a list of partitions. 0: never.",
    )
    start: Start = key(
        EARLIEST,
        StartPosition(),
        'Where to begin without a checkpoint: "earliest", "latest", a time such as "2024-05-01T00:00:00Z", or\n'
        'instead of this key a table [source.start] of partition = "offset" (others begin at the earliest event).',
    )
    format: str = key(
        "json",
        Choice(("json", "raw", "connect-string", "connect-json", "connect-json-schema", "connect-avro")),
        "One JSON object per event; the body untouched, with everything else in record headers; or what the Kafka\n"
        "Connect connector of HDInsight wrote through Connect's StringConverter, its JsonConverter without and with\n"
        "schemas, or AvroConverter.",
    )
    transport: str = key(
        "fast",
        Choice(("fast", "sdk")),
        "Over our own AMQP client, or over azure-eventhub's (slower).",
    )
    prefetch: int = key(
        0, Whole(0, 100_000), "Events that the hub may send ahead of each partition process. 0: tuned to the link."
    )
    dead_letter_topic: str = key(
        "iotin.dead", Name(values.topic_name, "iotin.dead"), "Kafka topic for events that can never be delivered."
    )
    max_dead_letters_per_minute: int = key(
        600,
        Whole(0, 1_000_000),
        "A partition with more dead letters in a minute waits, says so, and tries the event again. 0: no limit.",
    )
    stall_seconds: float = key(
        20.0, Number(5, 3600), "A partition that should move but does not for this long is reported and restarted."
    )
    delivery: Literal["at_least_once", "exactly_once"] = key(
        "at_least_once",
        Choice(),
        "After a crash, at_least_once sends the events since the last checkpoint again. exactly_once puts records and\n"
        "position into Kafka transactions: consumers with isolation.level = read_committed get every event\n"
        "once.",
    )
    position_topic: str = key(
        "ingest-positions",
        Name(values.topic_name, "ingest-positions"),
        "For exactly_once: compacted Kafka topic with a partition for each of the hub's; `ingest topics create`\n"
        "makes it.",
    )
    commit_interval_ms: int = key(
        500,
        Whole(10, 30_000),
        "For exactly_once: when a transaction is committed; sooner at 50,000 events or 32 MiB, later while Kafka is slow\n"
        "to commit.",
    )
    # The last one, as `key` means this field from here on in this class.
    key: Literal["auto", "device_id", "none"] = key(
        "auto",
        Choice(),
        "The key of the records. Without a key, the events of a device have no order across the topic's partitions.\n"
        "auto: device_id, or none with a connect-… format, as in HDInsight's connector.",
    )

    @property
    def has_keys(self) -> bool:
        """Whether records have a key."""
        return self.key == "device_id" or (self.key == "auto" and not self.format.startswith("connect-"))
