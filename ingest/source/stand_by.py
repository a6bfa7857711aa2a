"""What a partition process does whose place another one has: it waits until that one is gone.

Its end at once would be followed by a new process, which would take the partition back, and so on in turns for ever. A reader
without owner level asks the hub whether somebody has the partition, and disturbs nobody.
"""

import threading
from typing import Final

from ingest.hub.partition_look import Attempt, try_to_read
from ingest.process.child import Child
from ingest.source.receiving.vacancy import OVER, Look

FIRST_SECONDS: Final = 5.0
"""Who has the transactions of a partition takes its link only after it has read the position."""
LOOK_SECONDS: Final = 5.0
_BEAT_SECONDS: Final = 0.5


def stand_by(child: Child, why: str, look: Look = try_to_read) -> None:
    """Returns once nobody has the partition, or a stop is requested. The caller has closed its own link."""
    detail = f"another process has partition {child.task.slot}; this one stands by ({why})"
    seconds = FIRST_SECONDS
    while not child.stopping:
        _wait(child, detail, seconds)
        answers: list[Attempt] = []
        asking = threading.Thread(
            target=lambda found=answers: found.extend(look(child.task.config, [child.task.slot])),
            daemon=True,
        )
        asking.start()
        while asking.is_alive() and not child.stopping:
            child.beat(False, detail)
            asking.join(_BEAT_SECONDS)
        if answers and answers[0].reason in OVER:
            return
        seconds = LOOK_SECONDS


def _wait(child: Child, detail: str, seconds: float) -> None:
    while seconds > 0 and not child.stopping:
        child.beat(False, detail)
        child.wait(min(_BEAT_SECONDS, seconds))
        seconds -= _BEAT_SECONDS
