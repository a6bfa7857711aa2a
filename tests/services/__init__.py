"""Apache Kafka and Azurite on free loopback ports, for tests and benchmarks (`python -m tests.services up`)."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The clone that this file belongs to."""


class ServiceError(RuntimeError):
    """A service, or something that it needs, could not be had. `str()` says why, with the fix or the log's end."""
