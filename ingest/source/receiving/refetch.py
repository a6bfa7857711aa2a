"""Reads one event from the hub again, for a dead letter that had to leave it out."""

from dataclasses import replace

from ingest.config import Config
from ingest.errors import Refused, Undeliverable, Unreachable
from ingest.hub.link_errors import LinkEnded
from ingest.hub.position import EARLIEST, StartAt
from ingest.source.events.event import Event
from ingest.source.transport.select import open_transport
from ingest.timing import Deadline

ANSWER_SECONDS = 30.0


def fetch(config: Config, partition: str, sequence_number: int, enqueued_ms: int | None) -> Event:
    """Returns the event with this sequence number if it is still the one enqueued at that time (None: not known).

    Reads beside others, without an owner level: the owner of the partition in this consumer group keeps it. Raises
    Undeliverable with the reason `gone` if the hub no longer has the event, Refused or Unreachable if it might.
    """
    # Fetch as few later events as possible.
    config = replace(config, source=replace(config.source, prefetch=1))
    transport = open_transport(config, partition, owned=False)
    transport.open(StartAt(sequence_number - 1 if sequence_number > 0 else EARLIEST))
    try:
        deadline = Deadline(ANSWER_SECONDS)
        while not deadline.expired:
            for event in transport.poll(min(1.0, deadline.remaining())):
                if event.sequence_number == sequence_number and enqueued_ms in (None, event.enqueued_ms):
                    return event.whole()
                raise _gone(partition, sequence_number)
    except LinkEnded as ended:
        raise _why(config, partition, sequence_number, ended) from None
    finally:
        transport.close()
    raise Unreachable(
        f"the hub has sent nothing of partition {partition} in {ANSWER_SECONDS:g} s, from sequence number "
        f"{sequence_number} on; try again"
    )


def _why(config: Config, partition: str, sequence_number: int, ended: LinkEnded) -> Exception:
    if ended.reason in ("bad_position", "argument_error"):
        return _gone(partition, sequence_number)
    return why_not(config, f"event {sequence_number} of partition {partition} cannot be read again from the hub", ended)


def why_not(config: Config, where: str, ended: LinkEnded) -> Refused | Unreachable:
    """Returns why a reader beside others does not get what it wants, with the fix. `where`: a sentence's beginning."""
    if ended.reason == "stolen":
        return Refused(
            f"{where}, since a running ingest owns the partition in the consumer group {config.source.consumer_group}: "
            f"stop it, or name another group with --consumer-group ({ended})"
        )
    kind = Refused if ended.verdict == "refused" else Unreachable
    return kind(f"{where}: {ended}")


def _gone(partition: str, sequence_number: int) -> Undeliverable:
    return Undeliverable(
        "gone",
        "its body was too large for the dead-letter topic, and the hub no longer holds the original: "
        f"partition {partition}, sequence number {sequence_number}",
    )
