"""The schema registry: whether it lets us in, and whether it has the schema of the telemetry's records."""

from ingest.config import Config
from ingest.doctor.check import Check, Verdict, fail, ok
from ingest.source.formats import SCHEMAS

NAME = "schema registry"


def schema_registry_checks(config: Config) -> list[Check]:
    """One where `source.format` needs a registry; asks, and registers nothing."""
    if config.source.format not in SCHEMAS:
        return []
    return [Check(NAME, lambda: _ask(config), imports=("ingest.kafka.schema_registry",))]


def _ask(config: Config) -> Verdict:
    from ingest.kafka.schema_registry import Registry

    subject = f"{config.source.topic}-value"
    registry = config.kafka.schema_registry
    with Registry(registry) as asked:
        schema_id = asked.find(subject, SCHEMAS[config.source.format])
    if schema_id is not None:
        return ok(f"{registry.url} has the schema under {subject}, id {schema_id}")
    if registry.auto_register:
        return ok(f"{registry.url} answers; the start will register the schema under {subject}")
    return fail(
        f"{registry.url} does not have the schema under {subject}",
        "register it, or write auto_register = true into [kafka.schema_registry]",
    )
