"""The metrics of nodes that share the partitions of a hub; part of the catalogue. Only the supervisor measures them."""

from typing import Final

from ingest.metrics.metric import Metric

TAKE_OVER_BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0)
"""Seconds, from a process that starts on an idle machine to one that waits for the hub."""
_GROUP: Final = ("group",)

CLUSTER_MEMBERS = Metric(
    "cluster_members",
    "gauge",
    _GROUP,
    "Nodes that share the hub's partitions now. Only with cluster.coordination.",
)
CLUSTER_PARTITIONS = Metric(
    "cluster_partitions",
    "gauge",
    _GROUP,
    "Partitions of the hub, which the nodes share. Only with cluster.coordination.",
)
CLUSTER_OWNED = Metric(
    "cluster_partitions_owned",
    "gauge",
    _GROUP,
    "Partitions of the hub that this node reads, or is about to hand over. Only with cluster.coordination.",
    "If the sum over all nodes stays below ingest_cluster_partitions, partitions are read by nobody: the log of each node "
    "has what the group says.",
)
CLUSTER_REBALANCES = Metric(
    "cluster_rebalances_total",
    "counter",
    _GROUP,
    "Times that the group shared the partitions out anew, as this node has seen it. Only with cluster.coordination.",
    "If it grows without nodes coming and going, one of them is not heard in time: look at its CPU and its way to Kafka.",
)
CLUSTER_TAKE_OVER = Metric(
    "cluster_take_over_seconds",
    "histogram",
    _GROUP,
    "From the group's word that a partition is this node's to its link to the hub, seconds. Only with "
    "cluster.coordination.",
    buckets=TAKE_OVER_BUCKETS,
)

METRICS: Final = (CLUSTER_MEMBERS, CLUSTER_PARTITIONS, CLUSTER_OWNED, CLUSTER_REBALANCES, CLUSTER_TAKE_OVER)
