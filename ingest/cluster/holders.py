"""Which member of a node holds which partition, when a node is several members of a group. Pure."""

from ingest.cluster.contract import Change


class Holders:
    """Makes one node's changes of its members'."""

    def __init__(self) -> None:
        self._holder: dict[str, int] = {}

    def take(self, member: int, change: Change) -> list[Change]:
        """Returns what a member's change means for the node.

        A member that was not heard for a while learns last that its partitions are others'. If another member of the node
        has got them meanwhile, they are the node's, and their processes are of an earlier ownership all the same.
        """
        if change.kind == "gained":
            self._holder |= dict.fromkeys(change.partitions, member)
            return [change]
        again = tuple(each for each in change.partitions if self._holder.get(each, member) != member)
        gone = tuple(each for each in change.partitions if each not in again)
        for each in gone:
            self._holder.pop(each, None)
        changes = [Change(change.kind, gone)] if gone or not again else []
        return changes + ([Change("stolen", again), Change("gained", again)] if again else [])
