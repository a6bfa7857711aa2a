"""What carries commands to the hub: one link after the other, each command with its own answer.

`ingest.sink.sending.fast` is the AMQP client of our own, `ingest.sink.sending.sdk` is uamqp. Both pass
`tests/sink/sending/test_sender.py`.
"""

from typing import NamedTuple, Protocol

from ingest.hub.kept_link import Carrier
from ingest.sink.commands.command import Command
from ingest.sink.sending.results import Outcome


class Answered(NamedTuple):
    """The hub's answer to one command."""

    number: int
    outcome: Outcome


class CommandCarrier(Carrier[Answered], Protocol):
    """A link to `/messages/devicebound`. A command that has no answer when its link ends never gets one."""

    def send(self, number: int, command: Command) -> None:
        """Puts a command on the link, which is ready; the answer comes from `work`, under its `number`.

        Raises what the client raises for a command that it cannot encode; nothing is sent then, and the link stays.
        """
        ...
