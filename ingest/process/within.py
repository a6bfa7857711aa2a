"""Limits the time of a call that can block, such as a client's `close` while its service is frozen."""

import threading
from collections.abc import Callable

from ingest.timing import Deadline


def within(deadline: Deadline, call: Callable[[], None]) -> bool:
    """Returns whether the call ended by the deadline. One that did not stays on its thread; do not use again what it
    uses. Raises what the call raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="within", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads are allowed: if the call blocks, the waiting process ends this one
        call()
        return True
    thread.join(deadline.remaining())
    if raised:
        raise raised[0]
    return not thread.is_alive()
