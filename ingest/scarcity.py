"""Names what a machine can run out of: descriptors, processes and threads, memory, space."""

import errno
import os
from typing import Final

NO_TASK: Final = "no process or thread can be started: the limit of tasks (TasksMax=, ulimit -u) or memory is used up"
_OF_NUMBER: Final = {
    errno.EMFILE: "no file descriptor is left of those that this process may have (LimitNOFILE=, ulimit -n)",
    errno.ENFILE: "no file descriptor is left on this machine (fs.file-max)",
    errno.ENOMEM: "no memory is left (MemoryMax=, or the machine's)",
    errno.ENOBUFS: "no memory is left for the network's buffers",
    errno.ENOSPC: "no space is left on the file system",
    errno.EDQUOT: "the quota of the file system is used up",
}


def words(error: BaseException) -> str | None:
    """Returns what has run out; None if the error is of another kind."""
    if isinstance(error, MemoryError):
        return _OF_NUMBER[errno.ENOMEM]
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return NO_TASK
    if not isinstance(error, OSError) or error.errno not in _OF_NUMBER:
        return None
    where = f": {error.filename}" if error.filename else ""
    return f"{_OF_NUMBER[error.errno]}{where}"


def in_words_of_the_system(text: str) -> str | None:
    """Returns what has run out if a library's text contains the system's words for it; None if not."""
    if os.strerror(errno.EAGAIN) in text:
        return NO_TASK
    return next((told for number, told in _OF_NUMBER.items() if os.strerror(number) in text), None)
