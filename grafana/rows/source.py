"""Telemetry, partition by partition."""

from grafana.panels import NEVER_SECONDS, Panel, Query, growth, of, quantile, rate, series_of
from grafana.rows.answer import AGE

TITLE = "Source: from the hub"

PANELS: tuple[Panel, ...] = (
    series_of(
        "Events received",
        "cps",
        "Events per second of each partition. One far above the others has a hot device; one at 0 with a growing lag "
        "is stuck. Runbook: IngestDataStale.",
        Query(f"sum by (partition) ({rate('source_events_total')})", "partition {{partition}}"),
        span=6,
    ),
    series_of(
        "Data age by partition",
        "s",
        "Age of the last event received, 0 when caught up. If one partition grows old alone, its devices send more "
        "than one process can take, or its link is stuck. Runbook: IngestDataStale.",
        Query(f"max by (partition) ({AGE})", "partition {{partition}}"),
        span=6,
    ),
    series_of(
        "Events behind",
        "short",
        "Events in the hub after the last one received. Growing steadily: this partition is slower than its devices. "
        "Runbook: IngestLagGrowing.",
        Query(f"max by (partition) ({of('source_lag_events')})", "partition {{partition}}"),
        span=6,
    ),
    series_of(
        "Time to data loss by partition",
        "s",
        "When the hub's retention overtakes the partition at the present pace; a week stands for never. Falling: "
        "raise the hub's retention first. Runbook: IngestDataLossAhead.",
        Query(
            f"clamp_max(min by (partition) ({of('source_seconds_until_data_loss')}), {NEVER_SECONDS})",
            "partition {{partition}}",
        ),
        span=6,
    ),
    series_of(
        "Bytes received",
        "binBps",
        "Bodies only, per second. Compare with what the hub's units and the node's network can carry.",
        Query(f"sum by (partition) ({rate('source_bytes_total')})", "partition {{partition}}"),
        span=6,
    ),
    series_of(
        "Delivery time by partition",
        "s",
        "Within how many seconds of the hub's enqueued time 99 % of the events were acknowledged by Kafka. One "
        "partition alone: its process or its Kafka partition; all of them: Kafka or the node.",
        Query(quantile(0.99, "source_delivery_seconds", "partition"), "partition {{partition}}"),
        span=6,
    ),
    series_of(
        "Lost and repeated",
        "short",
        "Per interval of the graph: sequence numbers that the hub no longer held, and events that it sent twice (dropped "
        "here). Anything lost: raise the hub's retention and find out why ingestion was away. Runbook: IngestDataLost.",
        Query(f"sum by (partition) ({growth('source_sequence_gaps_total')})", "lost, partition {{partition}}"),
        Query(f"sum by (partition) ({growth('source_duplicates_total')})", "repeated, partition {{partition}}"),
        span=6,
    ),
    series_of(
        "Events set aside",
        "short",
        "Dead letters per interval of the graph, by reason. too_large: raise max.message.bytes of the topic; malformed: "
        "no AMQP. ingest redrive sends them again. Runbook: IngestDeadLetters.",
        Query(f"sum by (reason) ({growth('source_dead_letters_total')})", "{{reason}}"),
        span=6,
    ),
    series_of(
        "Held back",
        "short",
        "1 while a partition waits with events that it neither delivers nor sets aside: Kafka refuses all records alike, or "
        "more would be set aside than source.max_dead_letters_per_minute. /readyz has the words. Runbook: IngestHeldBack.",
        Query(f"max by (partition, reason) ({of('source_held_back')})", "{{partition}}: {{reason}}"),
        span=6,
    ),
    series_of(
        "Links opened again",
        "short",
        "Links to the hub that ended, by reason; the process opens them again by itself. Many: "
        "network, another reader in the consumer group, or the hub's limits.",
        Query(f"sum by (reason) ({growth('source_reconnects_total')})", "{{reason}}"),
        span=6,
    ),
    series_of(
        "Stalls",
        "short",
        "How often the hub held newer events and sent none, so that the process was replaced. "
        "Growing: something between here and the hub drops links without a word.",
        Query(f"sum by (partition) ({growth('source_stalls_total')})", "partition {{partition}}"),
        span=6,
    ),
    series_of(
        "Prefetch credit",
        "short",
        "Events that the hub may send ahead. It follows the rate by itself; 0 for long means that Kafka takes nothing.",
        Query(f"max by (partition) ({of('source_prefetch_credit')})", "partition {{partition}}"),
        span=6,
    ),
    series_of(
        "Transport",
        "short",
        "Partitions by transport. 'sdk' although source.transport is 'fast': the log of the start says why the fast "
        "one was not used; pin the versions that the package asks for. Decoder 'python': ingest was installed without a C "
        "compiler, and takes several times the CPU time.",
        Query(f"sum by (transport) ({of('source_transport_info')})", "{{transport}}"),
        Query(f"sum by (decoder) ({of('source_decoder_info')})", "decoder: {{decoder}}"),
        span=6,
    ),
)
