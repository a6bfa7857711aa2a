"""Where a format has its schemas from: by the number in the frame."""

from typing import Protocol

from ingest.errors import IngestError


class SchemaMissing(IngestError):
    """The schema is being asked for: the record waits, and those behind it. `str()` says which, and why it takes so long."""


class Schemas(Protocol):
    def get(self, number: int) -> object:
        """The schema as `avro_reader.prepared` makes it. Does no I/O.

        Raises SchemaMissing, or Undeliverable (unknown_schema) for one that the registry does not have or that cannot be
        used.
        """
