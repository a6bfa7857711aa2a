"""Every metric, once: its name, kind, labels, meaning, and what to do about it.

A process counts in its own plain ints and gives the totals to a `Meter` once a second; the meter turns them into a
`Snapshot` of deltas, which goes through the heartbeat pipe to the one registry in `ingest.metrics.http`.
So counters survive the death of the process that counted them.
"""

from ingest.metrics import cluster
from ingest.metrics.metric import Kind, Metric

__all__ = ["Kind", "Metric"]

DELIVERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds, from an idle loopback to a catch-up after an outage."""

SEND_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds, from loopback to the time-out of an answer."""
COMMIT_BUCKETS = SEND_BUCKETS


_SOURCE, _SINK, _FEEDBACK = ("source",), ("sink",), ("feedback",)
_EVERY_CHILD = ("source", "sink", "feedback")

_P = ("partition",)
PER_PROCESS = ("role", "slot")

SOURCE_EVENTS = Metric(
    "source_events_total", "counter", _P, "Events received from the hub, repeats left out.", roles=_SOURCE
)
SOURCE_BYTES = Metric("source_bytes_total", "counter", _P, "Body bytes received from the hub.", roles=_SOURCE)
SOURCE_ACKED = Metric(
    "source_records_acked_total",
    "counter",
    _P,
    "Records that Kafka has acknowledged, dead letters left out.",
    roles=_SOURCE,
)
SOURCE_DEAD_LETTERS = Metric(
    "source_dead_letters_total",
    "counter",
    ("partition", "reason"),
    "Events written to the dead-letter topic because they can never be delivered.",
    "Read the record's headers for the reason.",
    known=(
        "body_type",
        "invalid_record",
        "invalid_timestamp",
        "malformed",
        "not_encodable",
        "not_json",
        "not_sendable",
        "too_large",
    ),
    roles=_SOURCE,
)
SOURCE_HELD_BACK = Metric(
    "source_held_back",
    "gauge",
    ("partition", "reason"),
    "1 while the partition waits with events that it neither delivers nor sets aside. refused: Kafka refuses all records "
    "alike. dead_letter_limit: more dead letters in a minute than source.max_dead_letters_per_minute. dead_letter_topic: "
    "that topic refuses them.",
    "/readyz has the words; mend the cause, and it goes on by itself.",
    roles=_SOURCE,
)
SOURCE_GAPS = Metric(
    "source_sequence_gaps_total",
    "counter",
    _P,
    "Sequence numbers that were skipped: events that the hub no longer held when this process got to them.",
    "If it grows, data was lost to retention: raise the hub's retention or find out why ingestion was away.",
    roles=_SOURCE,
)
SOURCE_DUPLICATES = Metric(
    "source_duplicates_total",
    "counter",
    _P,
    "Events that the hub delivered again within one process's life and that were dropped by sequence number.",
    roles=_SOURCE,
)
SOURCE_LAG_EVENTS = Metric(
    "source_lag_events",
    "gauge",
    _P,
    "Events in the hub after the last one received.",
    "If it grows steadily, this partition is slower than its devices.",
    roles=_SOURCE,
)
SOURCE_LAG_SECONDS = Metric(
    "source_lag_seconds",
    "gauge",
    _P,
    "Age of the last event received while behind, in seconds; 0 when caught up.",
    roles=_SOURCE,
)
SOURCE_DATA_LOSS = Metric(
    "source_seconds_until_data_loss",
    "gauge",
    _P,
    "When the hub drops events that were not received yet, if receiving goes on as in the last minute, in seconds; "
    "+Inf when not behind or catching up; absent until the first event or the hub's first word on its newest one.",
    "If it falls below a few hours, see ingest_bottleneck for what holds this partition up; raise the hub's retention.",
    roles=_SOURCE,
)
SOURCE_REPLAY = Metric(
    "source_replay_events",
    "gauge",
    _P,
    "Events that would be received again if this process were killed now: those after the last checkpoint.",
    "If it grows, checkpoints are not written or Kafka does not acknowledge.",
    roles=_SOURCE,
)
SOURCE_LAST_EVENT = Metric(
    "source_last_event_timestamp_seconds",
    "gauge",
    _P,
    "Enqueued time of the last event received, Unix seconds.",
    roles=_SOURCE,
)
SOURCE_CHECKPOINT = Metric(
    "source_checkpoint_timestamp_seconds",
    "gauge",
    _P,
    "When the checkpoint was last written, Unix seconds.",
    roles=_SOURCE,
)
SOURCE_CHECKPOINT_FAILURES = Metric(
    "source_checkpoint_failures_total",
    "counter",
    _P,
    "Checkpoint writes that failed; ingestion goes on and the next write catches up.",
    "Check that the blob store or the checkpoint folder is reachable and writable.",
    roles=_SOURCE,
)
SOURCE_RECONNECTS = Metric(
    "source_reconnects_total",
    "counter",
    ("partition", "reason"),
    "Links to the hub that ended and were opened again, by reason.",
    "The log has the hub's words; stolen: another reader has the same consumer group.",
    known=(
        "bad_position",
        "closed",
        "connection_lost",
        "detached",
        "entity_updated",
        "hub_suspended",
        "no_token",
        "other",
        "quota_exceeded",
        "scarcity",
        "server_busy",
        "silent",
        "stolen",
        "timeout",
        "throttled",
        "too_many_readers",
        "unauthorized",
    ),
    roles=_SOURCE,
)
SOURCE_STALLS = Metric(
    "source_stalls_total",
    "counter",
    _P,
    "Times that the hub held newer events but sent none, so that the process was recycled.",
    "If it grows, the hub or the network between drops links without a word.",
    roles=_SOURCE,
)
SOURCE_PREFETCH = Metric(
    "source_prefetch_credit", "gauge", _P, "Events that the hub may send ahead of us.", roles=_SOURCE
)
SOURCE_DELIVERY = Metric(
    "source_delivery_seconds",
    "histogram",
    _P,
    "From the hub's enqueued time to Kafka's acknowledgement, seconds.",
    buckets=DELIVERY_BUCKETS,
    roles=_SOURCE,
)
SOURCE_TRANSACTIONS = Metric(
    "source_transactions_total",
    "counter",
    ("partition", "outcome"),
    "Kafka transactions, with source.delivery = exactly_once: committed, aborted.",
    "If aborted ones grow, Kafka refuses records, or dead letters are made: see ingest_kafka_produce_errors_total.",
    known=("committed", "aborted"),
    roles=_SOURCE,
)
SOURCE_COMMIT = Metric(
    "source_commit_seconds",
    "histogram",
    _P,
    "From the end of a transaction until Kafka has committed it, seconds; meanwhile nothing more is sent.",
    buckets=COMMIT_BUCKETS,
    roles=_SOURCE,
)
SOURCE_TRANSPORT = Metric(
    "source_transport_info", "info", ("partition", "transport"), "Always 1; names the transport in use.", roles=_SOURCE
)
SOURCE_DECODER = Metric(
    "source_decoder_info",
    "info",
    ("partition", "decoder"),
    "Always 1; compiled or python, the code that makes records.",
    roles=_SOURCE,
)

_W = ("worker",)
FEEDBACK_WORKER = "feedback"
"""The worker of dead letters that are not commands: feedback of the hub that could not be written."""
SINK_COMMANDS = Metric(
    "sink_commands_total",
    "counter",
    ("worker", "outcome"),
    "Commands by what became of them: sent, dead_letter, tombstone, retried, possible_repeat.",
    "Read the dead-letter topic's headers for reasons; redrive them with `ingest redrive`.",
    known=("sent", "dead_letter", "tombstone", "retried", "possible_repeat"),
    roles=_SINK,
)
SINK_DEAD_LETTERS = Metric(
    "sink_dead_letters_total",
    "counter",
    ("worker", "reason"),
    "Commands written to the dead-letter topic because they can never be delivered; of the worker feedback: the hub's "
    "feedback on commands.",
    "Read the record's headers for the reason.",
    known=(
        "deleted",
        "device_not_found",
        "device_queue_full",
        "expired",
        "invalid_argument",
        "invalid_device_id",
        "invalid_expiry",
        "invalid_message",
        "invalid_property",
        "malformed",
        "module_unsupported",
        "other",
        "released",
        "timeout",
        "too_large",
        "unanswered",
        "unexpected",
        "unknown_field",
        "unknown_schema",
        "unreadable",
    ),
    roles=_SINK,
)
SINK_THROTTLED = Metric(
    "sink_throttled_total",
    "counter",
    _W,
    "Sends that the hub answered with a throttle.",
    "If it grows, another sender shares the hub's limit, or sink.tier and sink.units are too high.",
    roles=_SINK,
)
SINK_IN_FLIGHT = Metric("sink_in_flight", "gauge", _W, "Commands sent and not answered.", roles=_SINK)
SINK_RATE_LIMIT = Metric(
    "sink_rate_limit_per_second", "gauge", _W, "Sends per second that the whole node allows itself now.", roles=_SINK
)
SINK_LAG = Metric(
    "sink_lag_records",
    "gauge",
    _W,
    "Command records that are not finished, of the partitions of this worker.",
    roles=_SINK,
)
SINK_SEND_SECONDS = Metric(
    "sink_send_seconds",
    "histogram",
    _W,
    "From the sending of a command to the hub's answer, seconds.",
    buckets=SEND_BUCKETS,
    roles=_SINK,
)
SINK_FEEDBACK = Metric(
    "sink_feedback_total",
    "counter",
    ("worker", "status"),
    "Delivery feedback of the hub, by its status code.",
    known=(
        "DeliveryCountExceeded",
        "Expired",
        "Purged",
        "Rejected",
        "Success",
        "malformed",
        "other",
        "repeat",
    ),
    roles=_FEEDBACK,
)

KAFKA_QUEUE_MESSAGES = Metric(
    "kafka_queue_messages",
    "gauge",
    PER_PROCESS,
    "Records handed to the producer and not acknowledged yet.",
    roles=_SOURCE,
)
KAFKA_QUEUE_BYTES = Metric("kafka_queue_bytes", "gauge", PER_PROCESS, "Bytes of those records.", roles=_SOURCE)
KAFKA_PRODUCE_ERRORS = Metric(
    "kafka_produce_errors_total",
    "counter",
    ("role", "slot", "error"),
    "Records that Kafka refused, by error name.",
    known=("INVALID_RECORD", "INVALID_TIMESTAMP", "_MSG_TIMED_OUT"),
    roles=_SOURCE,
)
KAFKA_RETRIES = Metric(
    "kafka_retries_total", "counter", PER_PROCESS, "Records that the producer sent again.", roles=_SOURCE
)
KAFKA_REQUEST_SECONDS = Metric(
    "kafka_request_seconds",
    "summary",
    ("role", "slot", "quantile"),
    "Round trip of the slowest broker, seconds.",
    roles=_SOURCE,
)

BOTTLENECK = Metric(
    "bottleneck",
    "gauge",
    ("role", "slot", "part"),
    "Which share of about the last 5 s the process's loop waited for each part; the shares of a process add up to 1. "
    "hub: the hub's events or answers. decode: its own work. kafka_queue: Kafka. blob: the checkpoint store. "
    "c2d_limit: the hub's limit on commands. idle: nothing to do.",
    "The largest part other than idle is what limits throughput.",
    roles=_EVERY_CHILD,
)

PROCESS_RESTARTS = Metric(
    "process_restarts_total",
    "counter",
    PER_PROCESS,
    "Child processes that were started again after they ended unasked.",
    "The log names the reason of each.",
    roles=_EVERY_CHILD,
)
PROCESS_UP = Metric(
    "process_up", "gauge", PER_PROCESS, "1 while the child is alive and its heartbeat is fresh.", roles=_EVERY_CHILD
)
PROCESS_CPU = Metric(
    "process_cpu_seconds_total",
    "counter",
    PER_PROCESS,
    "CPU time, user and system, all its lives together.",
    roles=_EVERY_CHILD,
)
PROCESS_RESIDENT = Metric(
    "process_resident_memory_bytes", "gauge", PER_PROCESS, "Resident memory of the child now.", roles=_EVERY_CHILD
)
_SERVICE = ("service",)
TOKEN_EXPIRY = Metric(
    "token_expiry_timestamp_seconds",
    "gauge",
    _SERVICE,
    "When the token that is held for a service runs out, Unix time. Only with an Entra identity.",
    "Until then everything goes on; afterwards links to that service end.",
)
TOKEN_FAILING = Metric(
    "token_failing",
    "gauge",
    _SERVICE,
    "1 while the last request for a new token failed. Only with an Entra identity.",
    "The log and /readyz have the token endpoint's words; `ingest doctor` has the fix.",
)
TOKEN_FAILURES = Metric(
    "token_failures_total",
    "counter",
    _SERVICE,
    "Requests for a token that failed: refused, without an answer in time, or with one that is no token.",
)
BUILD_INFO = Metric("build_info", "info", ("version", "python"), "Always 1; names the version.")

METRICS: tuple[Metric, ...] = (
    *(value for value in list(globals().values()) if isinstance(value, Metric)),
    *cluster.METRICS,
)
