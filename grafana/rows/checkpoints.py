"""Where the next process would go on."""

from grafana.panels import Panel, Query, growth, of, series_of

TITLE = "Checkpoints"

PANELS: tuple[Panel, ...] = (
    series_of(
        "Checkpoint age",
        "s",
        "Since a partition's position was last written. Old is fine while no events come; old with a growing replay "
        "is not. Runbook: IngestCheckpointStale.",
        Query(
            f"time() - max by (partition) ({of('source_checkpoint_timestamp_seconds')})",
            "partition {{partition}}",
        ),
    ),
    series_of(
        "Replay if killed now",
        "short",
        "Events that would come to Kafka a second time. It saws between 0 and a few seconds' worth of events; growing "
        "without end, checkpoints are not written. Runbook: IngestCheckpointStale.",
        Query(f"max by (partition) ({of('source_replay_events')})", "partition {{partition}}"),
    ),
    series_of(
        "Failed writes",
        "short",
        "Per interval of the graph. Ingestion goes on and the next write catches up; if they go on, check that the blob store "
        "or the folder is reachable and writable with `ingest doctor`. Runbook: IngestCheckpointStale.",
        Query(f"sum by (partition) ({growth('source_checkpoint_failures_total')})", "partition {{partition}}"),
    ),
)
