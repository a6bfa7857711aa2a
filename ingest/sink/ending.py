"""The graceful end of a sink process, within its time, and with a report of what was not saved."""

from collections.abc import Callable, Sequence
from typing import Protocol

from ingest.kafka.dead_letters.topic import DeadLetterTopic
from ingest.process.child import Child
from ingest.process.within import within
from ingest.sink.intake.consumer import CommandConsumer
from ingest.sink.sending.sender import Sender
from ingest.timing import Deadline

SEND_SHARE = 0.7
"""Share of the time for answers: the rest is to commit and to leave the group."""
COMMIT_SHARE = 0.7
"""Share of that rest in which a commit is tried again, while others come and go."""


class Closing(Protocol):
    def close(self) -> None: ...


def end(
    child: Child,
    deadline: Deadline,
    sender: Sender,
    settle: Callable[[float], None],
    dead_letters: DeadLetterTopic,
    commands: CommandConsumer,
    others: Sequence[Closing],
) -> None:
    """Waits for answers and acknowledgements, commits, leaves the group, and reports to the supervisor what is left.

    `settle` takes in the answers of the hub, and waits for the given seconds; `others` are Kafka clients to close.
    """

    def draining() -> None:
        child.beat(False, "draining")

    def leave() -> None:
        commands.close(deadline.remaining() * COMMIT_SHARE)
        for client in others:
            client.close()

    sends = Deadline(deadline.remaining() * SEND_SHARE)
    while sender.in_flight and not sends.expired:
        settle(min(0.1, sends.remaining()))
        draining()
    unanswered = sender.in_flight
    sender.close()
    settle(0)
    dead_letters.join(sends, while_waiting=draining)
    if unanswered:
        child.unsaved(f"{unanswered} commands are not answered by the hub, and may be sent again")
    if dead_letters.in_flight:
        child.unsaved(f"{dead_letters.in_flight} dead letters are not acknowledged by Kafka, and are written again")
    # On a thread: with a frozen Kafka the client waits for a minute.
    within(deadline, leave)
    if commands.uncommitted:
        child.unsaved("offsets are not committed, as Kafka does not answer: finished commands may be sent again")
