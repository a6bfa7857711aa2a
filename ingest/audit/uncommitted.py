"""What open transactions hold back: a reader of committed records gets nothing behind the first one of a partition.

Those of a running ingest end within a second or so. One that does not, as of a program that died, hides everything that others
write behind it meanwhile.
"""

from collections.abc import Mapping
from time import sleep
from typing import Final

from confluent_kafka import Consumer

from ingest.kafka.bounded_reader import Ends, ends_of
from ingest.timing import Deadline

WAIT_SECONDS: Final = 5.0
"""For the end of transactions that were open at the begin."""
_AGAIN_SECONDS: Final = 0.2


def settled_ends(
    committed: Consumer, written: Consumer, topic: str, partitions: int, deadline: Deadline
) -> tuple[dict[int, Ends], dict[int, int]]:
    """Returns the ends of a topic's partitions for a reader of committed records, once those have all that was written when this
    began; for those that have not within WAIT_SECONDS also how many offsets are held back. `written` is a reader of uncommitted
    records. Raises Unreachable."""
    whole = ends_of(written, topic, partitions, deadline)
    wait = Deadline(WAIT_SECONDS)
    while True:
        ends = ends_of(committed, topic, partitions, deadline)
        held = {number: end.high - ends[number].high for number, end in whole.items() if end.high > ends[number].high}
        if not held or wait.expired or deadline.expired:
            return ends, held
        sleep(_AGAIN_SECONDS)


def words(topic: str, ends: Mapping[int, Ends], held: Mapping[int, int]) -> str:
    """Returns one sentence about what is held back."""
    where = ", ".join(f"partition {number} from offset {ends[number].high} on" for number in sorted(held))
    return (
        f"An open transaction holds back {sum(held.values())} offsets of topic {topic} ({where}), and what is there counts as "
        "missing: audit again when it has ended; `kafka-transactions.sh find-hanging` tells whether it ever does."
    )
