"""Several nodes that share the partitions of a hub; empty unless cluster.coordination is in use."""

from grafana.panels import Panel, Query, growth, of, quantile, series_of

TITLE = "Nodes that share a hub"

PANELS: tuple[Panel, ...] = (
    series_of(
        "Nodes",
        "short",
        "Nodes in the group, as they see it. Two lines for long: some nodes do not hear of each other. Without "
        "cluster.coordination there is nothing here.",
        Query(f"max by (group) ({of('cluster_members')})", "{{group}}"),
        Query(f"min by (group) ({of('cluster_members')})", "{{group}}, as another sees it"),
    ),
    series_of(
        "Partitions by node",
        "short",
        "Partitions that each node reads; even within one. A step is a node that came or went. "
        "Runbook: IngestPartitionsWithoutNode.",
        Query(f"sum by (instance) ({of('cluster_partitions_owned')})", "{{instance}}"),
        Query(f"max by (group) ({of('cluster_partitions')})", "all of {{group}}"),
    ),
    series_of(
        "Shared out anew",
        "short",
        "Rebalances of the group. A few belong to each node that comes or goes; without that, a node is not heard in time: "
        "look at its processor and at its way to Kafka. Runbook: IngestPartitionsMoving.",
        Query(f"max by (group) ({growth('cluster_rebalances_total')})", "{{group}}"),
    ),
    series_of(
        "Take-over",
        "s",
        "From the group's word that a partition is a node's to its link to the hub. After a kill the session's 10 s come "
        "before that.",
        Query(quantile(0.5, "cluster_take_over_seconds"), "half within"),
        Query(quantile(0.99, "cluster_take_over_seconds"), "99 % within"),
    ),
)
