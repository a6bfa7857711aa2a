"""The schema registry's id for the schema of telemetry records. Asked at the start, never per record."""

from ingest.config import Config
from ingest.source.formats import WITH_SCHEMA


def schema_id(config: Config) -> int | None:
    """Returns the id; None if `source.format` needs no registry. Raises Refused or Unreachable; takes up to some 10 s
    if the registry does not answer."""
    form = WITH_SCHEMA.get(config.source.format)
    if form is None:
        return None
    from ingest.kafka.schema_registry import Registry

    with Registry(config.kafka.schema_registry) as registry:
        return registry.id_of(f"{config.source.topic}-value", form.schema)
