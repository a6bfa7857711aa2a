"""Rules about `[cluster]`: what nodes must have in common before they can share partitions. Pure."""

from ingest.config.identity_rules import Broken
from ingest.config.schema import Config
from ingest.errors import Problem

_STORE = "checkpoints.store"
_COORDINATION = "cluster.coordination"


def broken_cluster(config: Config) -> Broken:
    """Yields every broken rule."""
    if not config.cluster.shares or not config.reads_telemetry:
        return
    coordination = config.cluster.coordination
    if config.source.partitions:
        fix = f'with {_COORDINATION} = "{coordination}" the nodes share all partitions: leave this key out'
        yield ("source.partitions", _COORDINATION), Problem("source.partitions", _shown(config.source.partitions), fix)
    if coordination == "blob" and not (
        config.checkpoints.store == "blob" and config.checkpoints.blob_connection_string
    ):
        fix = (
            f'{_COORDINATION} = "blob" keeps who owns what beside the checkpoints, and needs the key of that account: write '
            'checkpoints.store = "blob" and checkpoints.blob_connection_string, or "kafka" here'
        )
        yield (_COORDINATION, _STORE, "checkpoints.blob_connection_string"), Problem(_COORDINATION, '"blob"', fix)
        return
    own = config.checkpoints.store == "file" and not config.cluster.shared_checkpoint_folder
    if own and config.source.delivery == "at_least_once":
        fix = (
            "is a folder of this node, where the next node of a partition does not find its position: write "
            '"blob", or source.delivery = "exactly_once", which keeps positions in Kafka, or, for nodes that all see the same '
            "folder, cluster.shared_checkpoint_folder = true"
        )
        keys = (_STORE, _COORDINATION, "source.delivery", "cluster.shared_checkpoint_folder")
        yield keys, Problem(_STORE, '"file"', fix)


def _shown(partitions: tuple[str, ...]) -> str:
    return f"[{', '.join(partitions)}]"
