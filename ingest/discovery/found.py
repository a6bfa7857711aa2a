"""What a search has found: settings, and notes about them for the user."""

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.config import Secret

Name = tuple[str, ...]
"""("kafka", "bootstrap_servers"), or ("kafka", "librdkafka", "security.protocol")."""


@dataclass(frozen=True, slots=True)
class Found:
    settings: Mapping[Name, str | int | Secret]
    notes: tuple[str, ...] = ()
    """Sentences for comments; none holds a secret."""
