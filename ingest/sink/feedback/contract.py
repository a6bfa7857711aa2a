"""What carries feedback from the hub: one link after the other, each message settled by hand.

`ingest.sink.feedback.fast` is the AMQP client of our own, `ingest.sink.feedback.sdk` is uamqp. Both pass
`tests/sink/feedback/test_link.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

PREFETCH = 16
"""Messages, of up to 64 records each, that the hub may have sent and not seen accepted."""


class Received(NamedTuple):
    """One feedback message. Of a carrier (`ingest.hub.kept_link.Carrier`) for feedback, what `work` gives."""

    body: bytes
    accept: Callable[[], None]
    """Call it when everything in the message is safe. Of a link that has ended, it does nothing."""
