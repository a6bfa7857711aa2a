"""The worker's file and its connectors' files together: which is which, and what they become."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ingest.config import values
from ingest.config.rendering import shown_value
from ingest.config.values import BadValue
from ingest.errors import ConfigError, Problem
from ingest.migrate import clients, converters, sink, source
from ingest.migrate.connect_file import ConnectFile, load_properties
from ingest.migrate.java_values import boolean, items, whole
from ingest.migrate.providers import Providers
from ingest.migrate.translation import NO_KEY, Translation

_BOOTSTRAP: Final = ("kafka", "bootstrap_servers")
_CLASS: Final = "connector.class"
_ZOOKEEPER: Final = ":2181"
_KINDS: Final = {"IotHubSource": "source", "IotHubSink": "sink"}
_CONNECTS_OWN: Final = {
    "offset.flush.interval.ms": "checkpoints.interval_seconds says how often a position is saved, and 5 s is the default",
    "transforms": "records are written as the format makes them; a consumer that needs what a transform made has to make it",
    "predicates": "there are no transforms",
    "errors.tolerance": "what can never be delivered is a dead letter, and the others go on",
}
_NAMES: Final = {
    "source": (
        "Kafka.Topic",
        "IotHub.EventHubCompatibleName",
        "IotHub.EventHubCompatibleEndpoint",
        "IotHub.AccessKeyName",
        "IotHub.AccessKeyValue",
        "IotHub.ConsumerGroup",
        "IotHub.Partitions",
        "IotHub.StartTime",
        "IotHub.Offsets",
        "BatchSize",
        "ReceiveTimeout",
    ),
    "sink": ("topics", "IotHub.ConnectionString", "IotHub.MessageDeliveryAcknowledgement"),
}
"""The properties of the connectors themselves."""
_STANDALONE: Final = "offset.storage.file.filename"
_DISTRIBUTED: Final = "offset.storage.topic"
_OWN_TOPIC: Final = "offsets.storage.topic"


@dataclass(frozen=True, slots=True)
class SavedAt:
    """Where the worker keeps the positions of its source connectors."""

    file: Path | None = None
    """For a standalone worker; relative to the folder that it was started in."""
    topic: str | None = None
    """For a distributed worker."""
    wrapped: bool = False
    """Whether the worker writes keys with their schemas."""


def load(worker: Path, connectors: Sequence[Path], environ: Mapping[str, str]) -> tuple[Translation, SavedAt]:
    """Reads and translates the files. Raises ConfigError if a file cannot be read, or is not the old connector's."""
    files = [(path.name, load_properties(path)) for path in (worker, *connectors)]
    providers = Providers(files[0][1], environ, load_properties)
    problems: list[Problem] = []
    for name, properties in files:
        for key, value in properties.items():
            try:
                properties[key] = providers.resolved(value)
            except BadValue as bad:
                problems.append(Problem(f"{name}: {key}", shown_value(value), str(bad)))
    if problems:
        raise ConfigError(problems)
    return translate(files[0], files[1:])


def translate(
    worker: tuple[str, Mapping[str, str]], connectors: Sequence[tuple[str, Mapping[str, str]]]
) -> tuple[Translation, SavedAt]:
    """Like `load`, for (name of the file, its properties)."""
    translation = Translation()
    of_worker = ConnectFile(*worker, translation)
    files: dict[str, ConnectFile] = {}
    problems: list[Problem] = []
    if _CLASS in of_worker:
        fix = "this is a connector's file: the worker's, connect-standalone.properties, comes first"
        problems.append(Problem(f"{of_worker.name}: {_CLASS}", of_worker.peek(_CLASS), fix))
    for name, properties in connectors:
        file = ConnectFile(name, properties, translation)
        kind = _kind(file, properties)
        if kind not in ("source", "sink"):
            problems.append(Problem(f"{name}: {_CLASS}", file.peek(_CLASS), kind))
        elif kind in files:
            fix = f"is a second {kind} beside {files[kind].name}: run one ingest for each hub"
            problems.append(Problem(name, "", fix))
        else:
            files[kind] = file
    if problems:
        raise ConfigError(problems)
    saved = _worker(of_worker, files.get("source"))
    for direction, file in files.items():
        _connector(direction, file, of_worker)
    clients.translate(of_worker, list(files.values()))
    for section, each in ({"kafka": of_worker} | files).items():
        _leftovers(each, section)
    return translation, saved


def _kind(file: ConnectFile, properties: Mapping[str, str]) -> Literal["source", "sink"] | str:
    """Returns source or sink; or what is wrong, a clause."""
    text = file.peek(_CLASS)
    if not text:
        if _CLASS not in properties and any(name.startswith(("bootstrap.", "offset.storage.")) for name in properties):
            return "this is a worker's file: the worker comes first, then the files of its connectors"
        return (
            "is missing: write the connector's class, com.microsoft.azure.iot.kafka.connect.source.IotHubSourceConnector or "
            "com.microsoft.azure.iot.kafka.connect.sink.IotHubSinkConnector"
        )
    kind = _KINDS.get(text.rpartition(".")[2].removesuffix("Connector"))
    return kind or "is another connector, which ingest does not replace: leave its file out"


def _worker(file: ConnectFile, source_file: ConnectFile | None) -> SavedAt:
    servers = file.read("bootstrap.servers", _BOOTSTRAP, _servers)
    if servers is not None:
        file.translation.set(_BOOTSTRAP, servers, file.origin("bootstrap.servers"))
    file.peek("group.id")
    file.beneath("config.providers")
    internal = file.beneath("internal.")
    try:
        wrapped = boolean(internal.get("key.converter.schemas.enable", "") or "false")
    except BadValue:
        wrapped = False
    path, topic = file.peek(_STANDALONE), file.peek(_DISTRIBUTED)
    if source_file is not None:
        topic = source_file.peek(_OWN_TOPIC) or topic
    return SavedAt(Path(path) if path else None, topic if topic and not path else None, wrapped)


def _servers(text: str) -> str:
    """Returns servers as librdkafka takes them: without the protocol that Java allows before each."""
    servers = [server.partition("://")[2] or server for server in items(text) if server]
    if not servers:
        raise BadValue("is empty: write host:port of the brokers, separated by commas")
    values.bootstrap_servers(",".join(servers))
    if all(server.endswith(_ZOOKEEPER) for server in servers):
        raise BadValue("has the port of ZooKeeper: write the brokers, whose port is usually 9092")
    return ",".join(servers)


def _connector(direction: str, file: ConnectFile, worker: ConnectFile) -> None:
    translation = file.translation
    name = file.read("name", ("sink", "group_id"), _group) if direction == "sink" else file.read("name", NO_KEY, _name)
    tasks = file.read_if_there("tasks.max", NO_KEY, _tasks)
    if direction == "source":
        translation.connector = name or ""
        source.translate(file)
        if tasks is not None:
            translation.remark("source", f"tasks.max = {tasks} has no meaning here: each partition has a process.")
    else:
        sink.translate(file, name, worker)
        if tasks is not None:
            translation.remark("sink", f"tasks.max = {tasks} has no meaning here: processes says how many send.")
    converters.translate(direction, worker, file)


def _name(text: str) -> str:
    if not text:
        raise BadValue("is empty: write the connector's name, which its positions are saved under")
    return text


def _group(text: str) -> str:
    values.group_id(_name(text))
    return text


def _tasks(text: str) -> int:
    number = whole(text)
    if number < 1:
        raise BadValue("expects a whole number from 1")
    return number


def _leftovers(file: ConnectFile, section: str) -> None:
    """Adds a remark for each property that was not read."""
    for name in file.unread:
        why = _CONNECTS_OWN.get(name, "")
        if why or name.partition(".")[0] not in _CONNECTS_OWN:
            near = [] if section == "kafka" else difflib.get_close_matches(name, _NAMES[section], n=1, cutoff=0.8)
            meant = f", and had none there: did you mean {near[0]}?" if near else ""
            shown = f": {why}." if why else meant or "."
            file.translation.remark(section, f"{name} in {file.name} has no meaning here{shown}")
