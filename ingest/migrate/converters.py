"""Connect's converters: which format of ours makes the same bytes, and which reads them. Pure.

A converter is named in the connector's file, or else in the worker's; its own settings are beside it, in the same file.
"""

from typing import Final, NamedTuple
from urllib.parse import unquote

from ingest.config.values import BadValue, Secret
from ingest.migrate.connect_file import ConnectFile
from ingest.migrate.java_values import boolean, items

_VALUE: Final = "value.converter"
_CLASS_PREFIXES: Final = (
    "org.apache.kafka.connect.storage.",
    "org.apache.kafka.connect.json.",
    "io.confluent.connect.avro.",
)
_UTF_8: Final = {"", "utf8", "utf-8"}


class Formats(NamedTuple):
    source: str
    """The source.format that makes the converter's bytes."""
    sink: str
    """The sink.format that reads them."""


STRING: Final = Formats("connect-string", "json")
JSON: Final = Formats("connect-json", "json")
JSON_WITH_SCHEMAS: Final = Formats("connect-json-schema", "connect-json-schema")
AVRO: Final = Formats("connect-avro", "connect-avro")
FORMAT_KEYS: Final = {"source": ("source", "format"), "sink": ("sink", "format")}
REGISTRY_KEYS: Final = {
    "url": ("kafka.schema_registry", "url"),
    "user": ("kafka.schema_registry", "user"),
    "password": ("kafka.schema_registry", "password"),
    "ca_file": ("kafka.schema_registry", "ca_file"),
    "auto_register": ("kafka.schema_registry", "auto_register"),
}
"""Keys of the section [kafka.schema_registry]."""
_REGISTRY: Final = f"{_VALUE}.schema.registry"
_LOGINS: Final = (f"{_VALUE}.basic.auth.user.info", f"{_REGISTRY}.basic.auth.user.info")


def translate(direction: str, worker: ConnectFile, connector: ConnectFile) -> None:
    """Adds the format of `direction`, source or sink, and for Avro the registry's address."""
    file = connector if _VALUE in connector else worker
    key = FORMAT_KEYS[direction]
    formats = file.read(_VALUE, key, lambda name: _formats(file, name))
    if formats is None:
        return
    chosen = formats.source if direction == "source" else formats.sink
    file.translation.set(key, chosen, file.origin(_VALUE))
    if formats is AVRO:
        _registry(file)
    for each in (worker, connector):
        each.beneath("key.converter")
        each.beneath("value.converter")


def _formats(file: ConnectFile, name: str) -> Formats:
    """Returns the formats for a converter. Raises BadValue if there are none for it."""
    short = name
    for prefix in _CLASS_PREFIXES:
        short = short.removeprefix(prefix)
    match short.removesuffix("Converter"):
        case "String":
            encoding = file.peek(f"{_VALUE}.converter.encoding")
            if encoding.lower() not in _UTF_8:
                raise BadValue(f"text in {encoding} is not made here: without converter.encoding it is UTF-8")
            return STRING
        case "Json":
            try:
                return JSON_WITH_SCHEMAS if boolean(file.peek(f"{_VALUE}.schemas.enable") or "true") else JSON
            except BadValue as bad:
                raise BadValue(f"{_VALUE}.schemas.enable {bad}") from None
        case "Avro":
            return AVRO
    raise BadValue(
        "nothing here makes or reads what this converter does: write one of "
        "org.apache.kafka.connect.storage.StringConverter, org.apache.kafka.connect.json.JsonConverter and "
        "io.confluent.connect.avro.AvroConverter"
    )


def _registry(file: ConnectFile) -> None:
    translation = file.translation
    url = f"{_REGISTRY}.url"
    first = file.read(url, REGISTRY_KEYS["url"], _first_url)
    if first is not None:
        # A login can be in the URL (basic.auth.credentials.source=URL, the default).
        scheme, _, rest = first.partition("://")
        login, at, place = rest.rpartition("@")
        translation.set(REGISTRY_KEYS["url"], f"{scheme}://{place}", file.origin(url))
        if at:
            _login(file, url, unquote(login))
    for name in _LOGINS:
        if file.peek(name):
            _login(file, name, file.peek(name))
            break
    register = f"{_VALUE}.auto.register.schemas"
    registers = file.read_if_there(register, REGISTRY_KEYS["auto_register"], boolean)
    if registers is not None:
        translation.set(REGISTRY_KEYS["auto_register"], registers, file.origin(register))
    store = f"{_REGISTRY}.ssl.truststore.location"
    if file.peek(store):
        if file.peek(f"{_REGISTRY}.ssl.truststore.type").upper() == "PEM":
            translation.set(REGISTRY_KEYS["ca_file"], file.peek(store), file.origin(store))
        else:
            fix = "is a key store of Java: convert it to PEM, and write kafka.schema_registry.ca_file with -c or --set"
            file.refuse(store, REGISTRY_KEYS["ca_file"], fix)
    strategy = f"{_VALUE}.value.subject.name.strategy"
    if file.peek(strategy).rpartition(".")[2] not in ("", "TopicNameStrategy"):
        translation.remark("source", f"{strategy} in {file.name} is not taken over: the subject is TOPIC-value.")


def _login(file: ConnectFile, name: str, login: str) -> None:
    user, colon, password = login.partition(":")
    if not colon:
        file.refuse(name, REGISTRY_KEYS["user"], "is not USER:PASSWORD: write both", secret=True)
        return
    file.translation.set(REGISTRY_KEYS["user"], user, file.origin(name))
    file.translation.set(REGISTRY_KEYS["password"], Secret(password), file.origin(name))


def _first_url(text: str) -> str:
    urls = items(text)
    if not urls or not urls[0].startswith(("http://", "https://")):
        raise BadValue("write the registry's URL, such as http://registry:8081")
    return urls[0]
