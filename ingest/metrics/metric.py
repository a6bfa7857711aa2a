"""What is known about one metric."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "summary", "info"]
"""A summary is written like a gauge, with quantiles that are computed already. An info is a gauge that is always 1: its
last label has one value at a time."""


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    """Without the prefix `ingest_`."""
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    action: str = ""
    """What an operator does if the value is bad; empty if the metric only informs."""
    buckets: tuple[float, ...] = ()
    known: tuple[str, ...] = ()
    """Values of the last label that are counted from 0; others appear with their first count."""
    roles: tuple[str, ...] = ()
    """The roles whose processes measure it; empty if only the supervisor knows it."""

    @property
    def type(self) -> str:
        """Prometheus's name for its kind."""
        return "gauge" if self.kind == "info" else self.kind

    @property
    def full_name(self) -> str:
        return f"ingest_{self.name}"

    @property
    def help(self) -> str:
        return f"{self.meaning} {self.action}".strip()
