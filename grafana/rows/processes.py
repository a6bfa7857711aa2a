"""The processes below each supervisor."""

from grafana.panels import Panel, Query, growth, of, rate, series_of

TITLE = "Processes"

PANELS: tuple[Panel, ...] = (
    series_of(
        "Up",
        "short",
        "Processes with a fresh heartbeat. A dip is a restart; a step is a process that stays away, and the log says "
        "why. Runbook: IngestWorkerDown.",
        Query(f"sum by (role) ({of('process_up')})", "{{role}}"),
    ),
    series_of(
        "Restarts",
        "short",
        "Processes that ended unasked and were started again. The log names the reason of each. "
        "Runbook: IngestWorkerRestarting.",
        Query(f"sum by (role, slot) ({growth('process_restarts_total')})", "{{role}} {{slot}}"),
    ),
    series_of(
        "Processor",
        "short",
        "Cores in use. One process at 1 has no more to give: only more partitions of the hub spread its load.",
        Query(f"sum by (role, slot) ({rate('process_cpu_seconds_total')})", "{{role}} {{slot}}"),
    ),
    series_of(
        "Processor time per event",
        "s",
        "Of the source's processes. Rising with a falling rate: many small batches; rising alone: the node is shared "
        "with something hungry.",
        Query(
            f"sum({rate('process_cpu_seconds_total', role='source')}) / (sum({rate('source_events_total')}) > 0)",
            "per event",
        ),
    ),
    series_of(
        "Resident memory",
        "bytes",
        "Of each process; pages shared between processes are counted in each. It is bounded: if it grows for hours, "
        "report it.",
        Query(f"sum by (role, slot) ({of('process_resident_memory_bytes')})", "{{role}} {{slot}}"),
    ),
    series_of(
        "Tokens",
        "s",
        "How long the tokens of an Entra identity still hold; renewed at half of their life, so a line that only falls is one "
        "that is not. Runbook: IngestTokenNotRenewed.",
        Query(f"min by (service) ({of('token_expiry_timestamp_seconds')}) - time()", "{{service}}"),
        Query(f"sum by (service) ({of('token_failing')})", "{{service}} is refused, or not answered"),
        Query(f"sum by (service) ({growth('token_failures_total')})", "{{service}} failed requests"),
    ),
    series_of(
        "Version",
        "short",
        "Nodes by version of the program and of Python. Two lines after an upgrade: a node was forgotten.",
        Query(f"sum by (version, python) ({of('build_info')})", "{{version}} on Python {{python}}"),
    ),
)
