"""Several nodes as one: which partitions of the hub are this node's."""
