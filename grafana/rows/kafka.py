"""Kafka, as its producers see it."""

from grafana.panels import Panel, Query, growth, of, quantile, rate, series_of

TITLE = "Kafka"

PANELS: tuple[Panel, ...] = (
    series_of(
        "Records acknowledged",
        "cps",
        "Per partition of the hub. 0 while 'Records waiting' is not: Kafka acknowledges nothing. "
        "Runbook: IngestKafkaNotAcknowledging.",
        Query(f"sum by (partition) ({rate('source_records_acked_total')})", "partition {{partition}}"),
    ),
    series_of(
        "Records waiting",
        "short",
        "Handed to a producer and not acknowledged yet. Growing up to a plateau: Kafka is slower than the hub, and "
        "the hub is held back; nothing is dropped. Runbook: IngestKafkaNotAcknowledging.",
        Query(f"sum by (role, slot) ({of('kafka_queue_messages')})", "{{role}} {{slot}}"),
    ),
    series_of(
        "Bytes waiting",
        "bytes",
        "Size of those records. It bounds what Kafka's absence costs in memory.",
        Query(f"sum by (role, slot) ({of('kafka_queue_bytes')})", "{{role}} {{slot}}"),
    ),
    series_of(
        "Round trip",
        "s",
        "Of a request to the slowest broker. High: that broker or the network; compare with the broker's own metrics.",
        Query(
            f"max by (role, slot, quantile) ({of('kafka_request_seconds')})", "{{role}} {{slot}}, quantile {{quantile}}"
        ),
    ),
    series_of(
        "Transactions",
        "short",
        "With source.delivery = exactly_once, per interval of the graph. Aborted ones: Kafka refuses records, see 'Records "
        "refused'; their events go again, and readers of committed records never see them. Runbook: IngestTransactionsAborted.",
        Query(f"sum by (outcome) ({growth('source_transactions_total')})", "{{outcome}}"),
    ),
    series_of(
        "Commit time",
        "s",
        "Within how many seconds 99 % of the transactions were committed; meanwhile the partition sends nothing more. High: the "
        "brokers or the network are slow; a longer source.commit_interval_ms makes fewer of them. Runbook: IngestCommitsStuck.",
        Query(quantile(0.99, "source_commit_seconds", "partition"), "partition {{partition}}"),
    ),
    series_of(
        "Records sent again",
        "short",
        "Per interval of the graph. The producer repeats by itself and order holds; many mean brokers that come and go.",
        Query(f"sum by (role, slot) ({growth('kafka_retries_total')})", "{{role}} {{slot}}"),
    ),
    series_of(
        "Records refused",
        "short",
        "Per interval of the graph, by Kafka's name of the error. Authorization: the topic's ACL; too large: the topic's "
        "max.message.bytes; what can never be delivered is in the dead-letter topic. Empty while nothing was refused.",
        Query(f"sum by (role, error) ({growth('kafka_produce_errors_total')})", "{{role}}: {{error}}"),
    ),
)
