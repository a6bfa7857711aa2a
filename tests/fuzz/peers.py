"""Both sides of a connection, for a fuzzer: what a hub says to our client, and what a client says to the emulator."""

from ingest.amqp.connection import Event
from tests.amqp.pair import Pair, shown


def peers(data: bytes) -> None:
    """Either side takes any bytes without raising, tells the same however they are cut, and its end once.

    The first byte is the size of the pieces.
    """
    size = 1 + data[0] if data else 1
    for victim in (0, 1):
        whole = _told(victim, [data[1:]])
        pieces = _told(victim, [data[start : start + size] for start in range(1, len(data), size)])
        assert whole == pieces, data
        assert len([each for each in whole if each.startswith("('Closed'")]) <= 1, data


def _told(victim: int, pieces: list[bytes]) -> list[str]:
    pair = Pair()
    pair.sending()
    events: list[Event] = []
    for piece in pieces:
        events += pair.ends[victim].receive(piece)
    return [shown(event) for event in events]
