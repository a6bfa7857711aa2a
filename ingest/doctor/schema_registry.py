"""The schema registry: whether it lets us in, and whether it has the schema of the telemetry's records."""

from contextlib import suppress
from typing import Final

from ingest.config import Config
from ingest.doctor.check import Check, Verdict, fail, ok
from ingest.source.formats import WITH_SCHEMA

NAME = "schema registry"
_NO_ID: Final = 0
"""Registries count from 1."""


def schema_registry_checks(config: Config) -> list[Check]:
    """One where `source.format` needs a registry, or commands can; asks, and registers nothing."""
    commands_alone = config.sends_commands and not config.reads_telemetry
    if config.source.format in WITH_SCHEMA and not commands_alone:
        ask = _ask
    elif config.sends_commands and config.kafka.schema_registry.url and config.sink.format in ("auto", "connect-avro"):
        ask = _ask_for_commands
    else:
        return []
    return [Check(NAME, lambda: ask(config), imports=("ingest.kafka.schema_registry",))]


def _ask_for_commands(config: Config) -> Verdict:
    """Which schemas commands have is not known before they come."""
    from ingest.kafka.schema_registry import Registry, Unknown

    registry = config.kafka.schema_registry
    with Registry(registry) as asked, suppress(Unknown):
        asked.schema_of(_NO_ID)
    return ok(f"{registry.url} answers; it is asked for the schemas of commands when they come")


def _ask(config: Config) -> Verdict:
    from ingest.kafka.schema_registry import Registry

    subject = f"{config.source.topic}-value"
    registry = config.kafka.schema_registry
    with Registry(registry) as asked:
        schema_id = asked.find(subject, WITH_SCHEMA[config.source.format].schema)
    if schema_id is not None:
        return ok(f"{registry.url} has the schema under {subject}, id {schema_id}")
    if registry.auto_register:
        return ok(f"{registry.url} answers; the start will register the schema under {subject}")
    return fail(
        f"{registry.url} does not have the schema under {subject}",
        "register it, or write auto_register = true into [kafka.schema_registry]",
    )
