"""The doctor's question to a schema registry."""

from dataclasses import replace

from ingest.config import Config, Hub, Kafka, SchemaRegistry, Secret, Source
from ingest.doctor.check import Finding
from ingest.doctor.runner import run_checks
from ingest.doctor.schema_registry import schema_registry_checks
from ingest.source.formats import WITH_SCHEMA
from tests.config.samples import IOT_HUB
from tests.kafka.toy_registry import ToyRegistry


def found(registry: SchemaRegistry) -> Finding:
    config = Config(source=Source(format="connect-avro"), kafka=Kafka(schema_registry=registry))
    (finding,) = run_checks(schema_registry_checks(config))
    return finding


def test_only_a_format_that_needs_a_registry_is_asked_about() -> None:
    assert not schema_registry_checks(Config())


def test_what_is_there_and_what_is_not() -> None:
    with ToyRegistry() as toy:
        registry = SchemaRegistry(toy.url)
        finding = found(registry)
        assert (finding.result, finding.seen) == (
            "ok",
            f"{toy.url} answers; the start will register the schema under iotin-value",
        )
        missing = found(replace(registry, auto_register=False))
        assert (missing.result, "auto_register = true" in missing.fix) == ("fail", True)
        assert not toy.versions
        toy.versions["iotin-value"] = [(7, WITH_SCHEMA["connect-avro"].schema)]
        assert found(registry).seen.endswith("id 7")


def test_commands_alone_need_no_more_than_an_answer() -> None:
    with ToyRegistry() as toy:
        kafka, hub = Kafka(schema_registry=SchemaRegistry(toy.url)), Hub(iot_hub_connection_string=Secret(IOT_HUB))
        config = Config(hub=hub, kafka=kafka, source=Source(format="connect-avro"))
        (finding,) = run_checks(schema_registry_checks(config))
        assert (finding.result, finding.seen.partition(";")[0]) == ("ok", f"{toy.url} answers")
        assert not toy.versions
        assert not schema_registry_checks(replace(config, sink=replace(config.sink, format="json")))
        assert not schema_registry_checks(replace(config, kafka=Kafka()))
    (finding,) = run_checks(schema_registry_checks(config))
    assert "does not answer" in finding.seen


def test_a_refusal_is_split_into_what_was_seen_and_the_fix() -> None:
    with ToyRegistry("a:b") as toy:
        finding = found(SchemaRegistry(toy.url, "other"))
    assert finding.seen == f"the schema registry at {toy.url} does not let user other in (401, Unauthorized)"
    assert finding.fix == "correct user and password in [kafka.schema_registry]"


def test_no_registry_says_why() -> None:
    with ToyRegistry() as toy:
        url = toy.url
    finding = found(SchemaRegistry(url))
    assert finding.seen == f"the schema registry at {url} does not answer (Connection refused)"
