"""The first row answers: is everything well, and if not, what is it?"""

from grafana.panels import NEVER_SECONDS, Panel, Query, of, quantile, rate, series_of, stat_of, total

TITLE = "The answer"
AGE = (
    f"(time() - {of('source_last_event_timestamp_seconds')}) * on (job, instance, partition) "
    f"({of('source_lag_events')} > bool 0)"
)
"""Seconds since the hub took the last event that was received; 0 while the partition is caught up. Grows also while the
partition's process says nothing, as a gauge of the age itself would not."""

PANELS: tuple[Panel, ...] = (
    stat_of(
        "Data age",
        "s",
        "Age of the oldest partition's last received event; 0 when caught up. Above a minute: see which partition in "
        "the row Source, and what limits it in 'What limits it now'. Runbook: IngestDataStale.",
        Query(f"max({AGE})", "oldest"),
        steps=((60, "orange"), (300, "red")),
    ),
    stat_of(
        "Time to data loss",
        "s",
        "When the hub's retention overtakes the slowest partition if nothing changes; a week stands for never. "
        "Below a day: raise the hub's retention now, then make ingestion faster. Runbook: IngestDataLossAhead.",
        Query(f"clamp_max(min({of('source_seconds_until_data_loss')}), {NEVER_SECONDS})", "soonest"),
    ),
    stat_of(
        "Telemetry acknowledged",
        "cps",
        "Records per second that Kafka has acknowledged. 0 while devices send: look at 'Data age' and the row Kafka.",
        Query(f"sum({rate('source_records_acked_total')})", "records"),
    ),
    stat_of(
        "Commands sent",
        "cps",
        "Commands per second that the hub has taken. 0 while 'Commands waiting' is not: see the row Sink. "
        "Runbook: IngestCommandsStuck.",
        Query(f"sum({rate('sink_commands_total', outcome='sent')})", "commands"),
        decimals=1,
    ),
    stat_of(
        "Dead letters",
        "short",
        "Events and commands set aside in the time shown, because they can never be delivered. Read the header "
        "ingest-reason in the dead-letter topics; commands are sent again with `ingest redrive`. "
        "Runbook: IngestDeadLetters.",
        Query(f"sum({total('source_dead_letters_total')})", "events"),
        Query(f"sum({total('sink_dead_letters_total')})", "commands"),
        steps=((1, "orange"),),
    ),
    stat_of(
        "Workers",
        "short",
        "Processes that are alive with a fresh heartbeat, and those that are not. The supervisor replaces a dead one "
        "by itself; if one stays down, the log says why. Runbook: IngestWorkerDown.",
        Query(f"sum({of('process_up')})", "up"),
        Query(f"sum(1 - {of('process_up')})", "down"),
    ),
    series_of(
        "In and out",
        "cps",
        "Events from the hub, records in Kafka, commands to the hub. The first two run together; where they part for "
        "long, Kafka is slower than the hub: see the row Kafka.",
        Query(f"sum({rate('source_events_total')})", "events received"),
        Query(f"sum({rate('source_records_acked_total')})", "records acknowledged"),
        Query(f"sum({rate('sink_commands_total', outcome='sent')})", "commands sent"),
    ),
    series_of(
        "Delivery time",
        "s",
        "From the hub's enqueued time to Kafka's acknowledgement. High right after an outage, as old events are caught "
        "up; if it stays high, see 'What limits it now'.",
        Query(quantile(0.5, "source_delivery_seconds"), "half of the events within"),
        Query(quantile(0.99, "source_delivery_seconds"), "99 % within"),
    ),
    series_of(
        "What limits it now",
        "percentunit",
        "What the processes waited for, as shares of their time. idle: nothing to do. hub: the hub or the network. "
        "decode: the processor, so use more cores or partitions. kafka_queue: Kafka. blob: the checkpoint store. "
        "c2d_limit: the hub's rate for commands, raise sink.units with the hub's.",
        Query(f"avg by (role, part) ({of('bottleneck', role='source')})", "{{role}}: {{part}}"),
        span=4,
        shares=True,
    ),
    series_of(
        "What limits commands now",
        "percentunit",
        "As the panel to the left, for the sink's processes. c2d_limit with commands waiting: the hub's limit is used to "
        "the full. Runbook: IngestCommandsThrottled.",
        Query(f"avg by (role, part) ({of('bottleneck', role='sink')})", "{{role}}: {{part}}"),
        span=4,
        shares=True,
    ),
)
