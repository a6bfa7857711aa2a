"""Commands, from Kafka to devices."""

from grafana.panels import Panel, Query, growth, of, quantile, rate, series_of

TITLE = "Sink: to devices"

PANELS: tuple[Panel, ...] = (
    series_of(
        "Commands by outcome",
        "cps",
        "sent: the hub has it. dead_letter: it can never be delivered. retried: the hub was busy. possible_repeat: "
        "the answer was lost, so a device may see it twice, with the same messageId. tombstone: an empty record.",
        Query(f"sum by (outcome) ({rate('sink_commands_total')})", "{{outcome}}"),
    ),
    series_of(
        "Rate against limit",
        "cps",
        "Sends per second beside what the node allows itself. At the limit with commands waiting: buy hub units and "
        "raise sink.units. Limit below the tier's: the hub throttles, see 'Throttled'. Runbook: IngestCommandsThrottled.",
        Query(f"sum by (instance) ({rate('sink_commands_total', outcome='sent')})", "sent, {{instance}}"),
        Query(f"max by (instance) ({of('sink_rate_limit_per_second')})", "limit, {{instance}}"),
    ),
    series_of(
        "Throttled",
        "cps",
        "Sends that the hub answered with a throttle. Steadily above 0: another sender shares the hub's limit, or "
        "sink.tier and sink.units are too high. Runbook: IngestCommandsThrottled.",
        Query(f"sum by (worker) ({rate('sink_throttled_total')})", "worker {{worker}}"),
    ),
    series_of(
        "Commands waiting",
        "short",
        "Records of the command topics that are not finished. Growing: more commands come in than the hub's limit "
        "lets through. Runbook: IngestCommandsStuck.",
        Query(f"sum by (worker) ({of('sink_lag_records')})", "worker {{worker}}"),
    ),
    series_of(
        "Time to work them off",
        "s",
        "Commands waiting, at the present limit. Longer than your commands live: they will expire; raise the limit or "
        "send fewer.",
        Query(
            f"sum by (job, instance) ({of('sink_lag_records')}) / "
            f"max by (job, instance) ({of('sink_rate_limit_per_second')})",
            "{{instance}}",
        ),
    ),
    series_of(
        "Hub's answer time",
        "s",
        "From sending a command to the hub's answer. Seconds: the hub is throttling or the line is slow.",
        Query(quantile(0.5, "sink_send_seconds"), "half of the sends within"),
        Query(quantile(0.99, "sink_send_seconds"), "99 % within"),
    ),
    series_of(
        "In flight",
        "short",
        "Commands sent and not answered. Constant and high while nothing is sent: the link is stuck; it is opened "
        "again by itself.",
        Query(f"sum by (worker) ({of('sink_in_flight')})", "worker {{worker}}"),
    ),
    series_of(
        "Commands set aside",
        "short",
        "Dead letters per interval of the graph, by reason. Mend the cause, then send them again with `ingest redrive`. "
        "Runbook: IngestDeadLetters.",
        Query(f"sum by (reason) ({growth('sink_dead_letters_total')})", "{{reason}}"),
    ),
    series_of(
        "Delivery feedback",
        "cps",
        "What became of commands at the devices, with sink.ack other than none. Expired: the device was away too "
        "long; DeliveryCountExceeded or Rejected: the device does not complete what it gets.",
        Query(f"sum by (status) ({rate('sink_feedback_total')})", "{{status}}"),
    ),
)
