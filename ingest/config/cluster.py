"""The section [cluster]: several nodes that share the partitions of one hub."""

from dataclasses import dataclass
from typing import Literal

from ingest.config.keys import key
from ingest.config.kinds import Choice, Flag, Whole


@dataclass(frozen=True, slots=True)
class Cluster:
    """Several nodes that share the partitions of one hub."""

    coordination: Literal["none", "kafka", "blob"] = key(
        "none",
        Choice(),
        "How the nodes agree on who reads which partition. none: this node reads all of them. kafka: Kafka's group\n"
        "coordinator gives each partition to one of the nodes that run, over the topic source.position_topic. blob: by the\n"
        "ownership blobs of the Event Hubs processors beside the checkpoints, for those who share a consumer group with them;\n"
        "slower.",
    )
    shared_checkpoint_folder: bool = key(
        False,
        Flag(),
        'With checkpoints.store = "file": whether checkpoints.path is the same folder for all nodes, as for several nodes\n'
        "on one machine.",
    )

    weight: int = key(
        1,
        Whole(1, 16),
        "How many partitions this node takes, compared with others: a node of weight 2 reads twice as many as one of weight 1,\n"
        "for nodes of different size. It is so many members of the group, of which each gets an equal share.",
    )

    @property
    def shares(self) -> bool:
        """Whether this node reads only the partitions that are given to it."""
        return self.coordination != "none"
