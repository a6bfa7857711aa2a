"""A call that may block for longer than there is time, such as a client's `close` while its service is frozen."""

import threading
from collections.abc import Callable

from ingest.timing import Deadline


def within(deadline: Deadline, call: Callable[[], None]) -> bool:
    """Whether the call came to its end by the deadline; one that did not is left behind on its thread, and what it uses
    must not be used again. Raises what the call raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="within", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads are allowed: who waits for this process ends it, should the call last
        call()
        return True
    thread.join(deadline.remaining())
    if raised:
        raise raised[0]
    return not thread.is_alive()
