"""Azure Event Hubs as the Kafka cluster (`kafka.kind = "event_hubs"`): the settings that it needs, and what it does not take.

Figures: Microsoft's "Recommended configurations for Apache Kafka clients" and the quotas of Event Hubs. Pure.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from ingest.config import connection_strings
from ingest.config.librdkafka import first_name
from ingest.config.rendering import shown_value
from ingest.config.schema import Config, Kafka
from ingest.config.values import Secret
from ingest.errors import Problem

LARGEST_RECORD: Final = 1_000_000
"""Bytes of a record and of a batch; with what is around them, a request stays below what the service takes."""
USER: Final = "$ConnectionString"
HOW_TO_CREATE: Final = (
    "Event Hubs creates none for Kafka clients: create an event hub of each name (portal → the namespace → + Event Hub, or "
    "`az eventhubs eventhub create`)"
)
_TOO_LARGE: Final = "Event Hubs closes the connection at requests of more than 1,046,528 bytes"
_KEY: Final = "kafka.connection_string"
_PRESET: Final[Mapping[str, str]] = {
    # Only the Premium and Dedicated tiers know compression, and of it only gzip.
    "compression.type": "none",
    # A throttled request is answered late, up to this time.
    "request.timeout.ms": "60000",
    "socket.timeout.ms": "60000",
    "metadata.max.age.ms": "180000",
    # Azure drops connections that are idle for four minutes without a word.
    "connections.max.idle.ms": "180000",
    "socket.keepalive.enable": "true",
    "session.timeout.ms": "30000",
    "message.max.bytes": str(LARGEST_RECORD),
    "batch.size": str(LARGEST_RECORD),
    "security.protocol": "sasl_ssl",
    "sasl.mechanism": "PLAIN",
}
_CODECS: Final = ("none", "gzip")


def is_namespace(servers: str) -> bool:
    """Whether a server of `kafka.bootstrap_servers` is an Event Hubs namespace, in whatever cloud."""
    return any(".servicebus." in server for server in servers.lower().split(","))


def with_servers(config: Config) -> Config:
    """Returns the configuration with the `kafka.bootstrap_servers` that its connection string means."""
    kafka = config.kafka
    if kafka.kind != "event_hubs" or not kafka.connection_string:
        return config
    servers = connection_strings.namespace(kafka.connection_string.reveal()).bootstrap_servers
    return replace(config, kafka=replace(kafka, bootstrap_servers=servers))


def preset(kafka: Kafka) -> dict[str, str | Secret]:
    """Returns librdkafka's settings for this kind of cluster that the user has not chosen; none for Apache Kafka."""
    if kafka.kind != "event_hubs":
        return {}
    needed: dict[str, str | Secret] = dict(_PRESET)
    if kafka.connection_string:
        needed |= {"sasl.username": USER, "sasl.password": kafka.connection_string}
        if _is_emulator(kafka):
            needed["security.protocol"] = "sasl_plaintext"
    chosen = {first_name(name) for name in kafka.librdkafka}
    return {name: value for name, value in needed.items() if name not in chosen}


def contradictions(kafka: Kafka, *, connects: bool) -> Iterator[tuple[tuple[str, ...], Problem]]:
    """Yields the keys that a problem is about, and the problem. `connects`: whether a login is needed."""
    if kafka.kind != "event_hubs":
        if kafka.connection_string:
            fix = 'is that of an Event Hubs namespace: write kafka.kind = "event_hubs", or leave it out'
            yield (_KEY, "kafka.kind"), Problem(_KEY, "***", fix)
        elif (
            connects and is_namespace(kafka.bootstrap_servers) and _chosen(kafka).get("compression.type") not in _CODECS
        ):
            fix = (
                f"{kafka.bootstrap_servers} is an Azure Event Hubs namespace, which does not take ingest's compression, lz4: "
                'write kafka.kind = "event_hubs"'
            )
            yield ("kafka.kind", "kafka.bootstrap_servers"), Problem("kafka.kind", '"kafka"', fix)
        return
    yield from _logins(kafka)
    if connects:
        yield from _required(kafka)
    named = kafka.bootstrap_servers
    if is_namespace(named) and any(not server.strip().endswith(":9093") for server in named.split(",")):
        fix = "the Kafka endpoint of an Event Hubs namespace is at port 9093: NAMESPACE.servicebus.windows.net:9093"
        yield ("kafka.bootstrap_servers",), Problem("kafka.bootstrap_servers", shown_value(named), fix)
    for name, value in kafka.librdkafka.items():
        check = _CHECKS.get(first_name(name))
        wrong = check(kafka, str(value)) if check else ""
        if wrong:
            key = f"kafka.librdkafka.{name}"
            shown = "***" if isinstance(value, Secret) else shown_value(value)
            yield (key, "kafka.kind"), Problem(key, shown, wrong)


def _logins(kafka: Kafka) -> Iterator[tuple[tuple[str, ...], Problem]]:
    chosen = _chosen(kafka)
    if not kafka.connection_string:
        return
    for name in ("sasl.username", "sasl.password"):
        if name in chosen:
            key = f"kafka.librdkafka.{name}"
            yield (key, _KEY), Problem(key, "***", f"is given by {_KEY}: leave one of them out")
    if _by_token(chosen):
        fix = "is a login by key, and sasl.mechanism = OAUTHBEARER in [kafka.librdkafka] one by token: leave one out"
        yield (_KEY, "kafka.librdkafka.sasl.mechanism"), Problem(_KEY, "***", fix)


def _required(kafka: Kafka) -> Iterator[tuple[tuple[str, ...], Problem]]:
    chosen = _chosen(kafka)
    if kafka.connection_string:
        return
    if not _by_token(chosen) and not ("sasl.username" in chosen and "sasl.password" in chosen):
        fix = (
            f'is required by kafka.kind = "event_hubs": write it, or the path of a file with it as {_KEY}_file, or a login '
            "by token (sasl.mechanism = OAUTHBEARER) into [kafka.librdkafka] and kafka.bootstrap_servers"
        )
        yield (_KEY,), Problem(_KEY, "", fix)
    elif kafka.bootstrap_servers == Kafka().bootstrap_servers:
        fix = f"is required without {_KEY}: write NAMESPACE.servicebus.windows.net:9093"
        yield ("kafka.bootstrap_servers", _KEY), Problem("kafka.bootstrap_servers", "", fix)


def _chosen(kafka: Kafka) -> dict[str, str]:
    return {first_name(name): str(value) for name, value in kafka.librdkafka.items()}


def _by_token(chosen: Mapping[str, str]) -> bool:
    return chosen.get("sasl.mechanism", "").upper() == "OAUTHBEARER"


def _is_emulator(kafka: Kafka) -> bool:
    text = kafka.connection_string.reveal()
    return bool(text) and connection_strings.namespace(text).emulator


def _compression(_: Kafka, value: str) -> str:
    if value.lower() in _CODECS:
        return ""
    return 'Event Hubs takes gzip, in the Premium and Dedicated tiers, or none: write "none" or leave it out'


def _protocol(kafka: Kafka, value: str) -> str:
    if value.lower() == "sasl_ssl" or _is_emulator(kafka):
        return ""
    return "Event Hubs takes a login over TLS alone: leave it out"


def _mechanism(_: Kafka, value: str) -> str:
    if value.upper() in ("PLAIN", "OAUTHBEARER"):
        return ""
    return f"Event Hubs takes PLAIN, with {_KEY}, or OAUTHBEARER: leave it out, or write OAUTHBEARER"


def _keep_alive(_: Kafka, value: str) -> str:
    return "" if value.lower() == "true" else "Azure drops idle connections without a word: leave it out"


def _number(least: int, most: int, why: str) -> Callable[[Kafka, str], str]:
    def check(_: Kafka, value: str) -> str:
        outside = value.isdecimal() and not least <= int(value) <= most  # librdkafka refuses what is no number
        return f"{why}: write {least} to {most}, or leave it out" if outside else ""

    return check


_CHECKS: Final[Mapping[str, Callable[[Kafka, str], str]]] = {
    "compression.type": _compression,
    "security.protocol": _protocol,
    "sasl.mechanism": _mechanism,
    "socket.keepalive.enable": _keep_alive,
    "request.timeout.ms": _number(20_000, 900_000, "Event Hubs answers throttled requests late"),
    "metadata.max.age.ms": _number(1, 239_999, "Azure drops connections that are idle for four minutes"),
    "connections.max.idle.ms": _number(1, 239_999, "Azure drops connections that are idle for four minutes"),
    "session.timeout.ms": _number(6_000, 300_000, "Event Hubs takes no other times"),
    "message.max.bytes": _number(1_000, LARGEST_RECORD, _TOO_LARGE),
    "batch.size": _number(1, LARGEST_RECORD, _TOO_LARGE),
}
"""librdkafka's setting → what is wrong with a value of it, "" if nothing is."""
