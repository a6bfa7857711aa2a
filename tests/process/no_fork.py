"""For a fork server's preload: the kernel refuses every fork while the file that $NO_FORK names is there."""

import errno
import os
from pathlib import Path

_fork = os.fork


def fork() -> int:
    if Path(os.environ["NO_FORK"]).exists():
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return _fork()


os.fork = fork
