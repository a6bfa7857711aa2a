"""The metrics of an audit, which are not on the service's port: `ingest audit --metrics-file` writes them, for a collector of
files such as node_exporter's."""

from ingest.metrics.catalogue import Metric

_NAME = ("name",)
_PARTITION = ("name", "partition")
_LOST = "`ingest audit` lists them; `ingest replay` brings those again that the hub still holds."

PRESENT = Metric(
    "audit_present_events", "gauge", _PARTITION, "Events of the stretch of time that are in Kafka, each once."
)
MISSING = Metric("audit_missing_events", "gauge", _PARTITION, "Events that the hub had and Kafka has not.", _LOST)
REPEATED = Metric("audit_repeated_events", "gauge", _PARTITION, "Records of an event that was in the topic already.")
OUT_OF_ORDER = Metric(
    "audit_out_of_order_events", "gauge", _PARTITION, "Events that came behind a later one of the same device."
)
DEAD_LETTERS = Metric(
    "audit_dead_letters",
    "gauge",
    _PARTITION,
    "Events that are a dead letter alone.",
    "`ingest redrive` sends them again.",
)
DIFFERING = Metric(
    "audit_differing_events", "gauge", _PARTITION, "Events with another content than in the hub. Only with --refetch."
)
UNCERTAIN = Metric(
    "audit_uncertain",
    "gauge",
    _PARTITION,
    "1 where neither the topic nor the hub says whether events are missing at an end of the stretch.",
    "Give it a consumer group of its own: source.audit_consumer_group.",
)
END = Metric("audit_end_timestamp_seconds", "gauge", _NAME, "The end of the stretch that was audited last, Unix time.")
DONE = Metric(
    "audit_timestamp_seconds",
    "gauge",
    _NAME,
    "When the last audit was done, Unix time.",
    "The journal of ingest-audit@NAME says why there is no later one.",
)

AUDIT_METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
