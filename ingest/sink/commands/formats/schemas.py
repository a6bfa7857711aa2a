"""Where a format gets its schemas: by the number in the frame."""

from typing import Protocol

from ingest.errors import IngestError


class SchemaMissing(IngestError):
    """The schema is being fetched: the record and later ones wait. `str()` says which schema, and why it takes time."""


class Schemas(Protocol):
    def get(self, number: int) -> object:
        """Returns the schema as `avro_reader.prepared` makes it. Does no I/O.

        Raises SchemaMissing, or Undeliverable (unknown_schema) if the registry does not have it or it is unusable.
        """
