"""Apache Kafka and Azurite on free loopback ports, for tests and benchmarks (`python -m tests.services up`)."""

import os
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[2]
"""The clone that this file belongs to."""


class ServiceError(RuntimeError):
    """A service, or something that it needs, could not be had. `str()` says why, with the fix or the log's end."""


WITHOUT: Final = "INGEST_TESTS_WITHOUT_SERVICES"
"""Set in the environment of `make unit`."""


def needed(what: str) -> None:
    """A test is about to start or fetch `what`. Raises ServiceError in `make unit`, which leaves such tests out: the test lacks
    its mark."""
    if os.environ.get(WITHOUT):
        raise ServiceError(f"{what} is needed by a test that is not marked `services`: mark it, or its module.")
