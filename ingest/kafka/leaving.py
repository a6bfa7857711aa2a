"""How a member leaves its consumer group.

If the group shares out anew at that moment, `Consumer.close` of librdkafka 2.16 can wait for ever, or end the whole process
with `assert: !rd_kafka_assignment_in_progress` (confluentinc/librdkafka#4792). Neither happens to a member without partitions.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from ingest.timing import Deadline

GIVE_BACK_SECONDS: Final = 2.0
"""How long the partitions may take to be given back; it takes only what the callback for that does."""
_POLL_SECONDS: Final = 0.01


class Member(Protocol):
    """What is used here of `confluent_kafka.Consumer`."""

    def unsubscribe(self) -> None: ...

    def assignment(self) -> Sequence[object]: ...

    def poll(self, timeout: float) -> object: ...

    def close(self) -> None: ...


def leave(consumer: Member, seconds: float = GIVE_BACK_SECONDS) -> None:
    """Gives the partitions back, which runs the callback for those that are revoked, leaves the group and ends the client.

    Records that come meanwhile are dropped: whoever has their partition next reads them again.
    """
    deadline = Deadline(seconds)
    try:
        consumer.unsubscribe()
        while consumer.assignment() and not deadline.expired:
            consumer.poll(min(_POLL_SECONDS, deadline.remaining()))
    finally:  # a callback can raise out of `poll`
        consumer.close()
