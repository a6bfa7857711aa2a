"""A process that has run out of descriptors or of threads."""

import contextlib
import os
import resource
import threading
from collections.abc import Iterator
from unittest.mock import Mock

import pytest


@contextlib.contextmanager
def no_more_descriptors_than(spare: int) -> Iterator[None]:
    """This process may open so many more."""
    first = os.dup(0)
    os.close(first)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def no_more_threads() -> Iterator[None]:
    """No thread of this process can start."""
    with pytest.MonkeyPatch.context() as scarce:
        # What `start` calls for this has another name in each version of Python.
        scarce.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        yield
