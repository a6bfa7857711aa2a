"""The errors of this package."""

from ingest.errors import IngestError


class AmqpError(IngestError):
    """Bytes that are not AMQP 1.0, or a value that AMQP 1.0 cannot carry."""


class WrongMove(AmqpError):
    """This side asks for something that the state of its connection, session or link does not allow. Nothing was sent."""


class PeerMistake(AmqpError):
    """The peer did something that AMQP 1.0 does not allow. `condition` names that mistake (AMQP 1.0 part 2.8.15 to 18)."""

    def __init__(self, condition: str, sentence: str) -> None:
        self.condition = condition
        super().__init__(sentence)
