"""The clone's git-ignored folder of downloads, and locks so that parallel runs do not fetch the same thing twice."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from tests.services import ROOT

FOLDER = ROOT / ".cache"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold this clone's lock `name`; a second process waits. The kernel lets go of it however the holder dies."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
