"""What the hub's answer to one message means for its command. Pure."""

from typing import NamedTuple

from ingest.hub.conditions import MessageVerdict, of_message


class Outcome(NamedTuple):
    verdict: MessageVerdict
    reason: str
    """Label of the metric and, if dead, reason of the dead letter."""
    sentence: str = ""


SENT = Outcome("sent", "sent")
LINK_LOST = Outcome("retry", "link_lost", "the link ended before the hub had answered; the hub may have the message")
RELEASED = Outcome("retry", "released", "the hub gave the message back without a reason")
UNANSWERED = Outcome("retry", "unanswered", "the hub has not answered in time; it may have the message")


def judge(condition: str, words: str) -> Outcome:
    """Returns the outcome. `condition` is the AMQP condition of a rejected message, `words` its description."""
    return Outcome(*of_message(condition), f"{condition}: {words}" if words else condition)
