"""Settings of Kafka's Java clients, under a worker's `producer.` and `consumer.`, as librdkafka's. Pure.

If a setting is not taken over, a remark says why; if the connection depends on it, that is a problem.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from ingest.config.librdkafka import is_secret, librdkafka_setting
from ingest.config.values import BadValue, Secret
from ingest.migrate.connect_file import ConnectFile
from ingest.migrate.java_values import items, whole
from ingest.migrate.translation import LIBRDKAFKA, Translation

_SECURITY: Final = ("security.", "sasl.", "ssl.")
_SAME: Final = frozenset(
    {
        "security.protocol",
        "sasl.mechanism",
        "sasl.kerberos.service.name",
        "sasl.kerberos.kinit.cmd",
        "sasl.kerberos.min.time.before.relogin",
        "ssl.key.password",
        "client.id",
        "client.rack",
        "client.dns.lookup",
        "compression.type",
        "linger.ms",
        "batch.size",
        "acks",
        "retries",
        "delivery.timeout.ms",
        "enable.idempotence",
        "max.in.flight.requests.per.connection",
        "transactional.id",
        "request.timeout.ms",
        "reconnect.backoff.ms",
        "reconnect.backoff.max.ms",
        "retry.backoff.ms",
        "connections.max.idle.ms",
        "metadata.max.age.ms",
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "max.poll.interval.ms",
        "auto.offset.reset",
        "isolation.level",
        "fetch.min.bytes",
        "fetch.max.bytes",
        "max.partition.fetch.bytes",
        "check.crcs",
        "enable.auto.commit",
        "group.instance.id",
    }
)
"""Names that mean the same in librdkafka."""
_WITHOUT_MEANING: Final = {
    "max.poll.records": "commands are paced, and a slow one holds nobody up",
    "max.block.ms": "nothing blocks: the hub is given less credit while Kafka is slow",
    "interceptor.classes": "classes of Java do not run here",
    "metric.reporters": "metrics are served for Prometheus, see [metrics]",
    "partitioner.class": "records without a key are spread, those with one go where Java's partitioner puts them",
}


def _kilobytes(text: str) -> str:
    return str(max(1, -(-whole(text) // 1024)))


_OTHER: Final[Mapping[str, tuple[str, Callable[[str], str]]]] = {
    "buffer.memory": ("queue.buffering.max.kbytes", _kilobytes),
    "max.request.size": ("message.max.bytes", str),
    "send.buffer.bytes": ("socket.send.buffer.bytes", lambda text: str(max(0, whole(text)))),
    "receive.buffer.bytes": ("socket.receive.buffer.bytes", lambda text: str(max(0, whole(text)))),
    "fetch.max.wait.ms": ("fetch.wait.max.ms", str),
    "ssl.endpoint.identification.algorithm": (
        "ssl.endpoint.identification.algorithm",
        lambda text: text.lower() or "none",
    ),
    "ssl.truststore.certificates": ("ssl.ca.pem", str),
    "ssl.keystore.certificate.chain": ("ssl.certificate.pem", str),
    "ssl.keystore.key": ("ssl.key.pem", str),
}
"""Java's name → librdkafka's name, and how its value is written there."""
_JAAS_MODULE: Final = re.compile(
    r"(?:[A-Za-z0-9_$]+\.)*([A-Za-z0-9_$]+)\s+(?:required|requisite|sufficient|optional)\b"
)
_JAAS_OPTION: Final = re.compile(r"""([A-Za-z0-9_.]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;"']+)""")
_KEY_STORES: Final = (
    "Java's key stores are not read here, only PEM files (and PKCS #12 for ssl.keystore): convert it with keytool and openssl, "
    "and write "
)


def translate(worker: ConnectFile, connectors: list[ConnectFile]) -> None:
    """Adds the settings of the worker and the connectors for their producers and consumers.

    A producer's setting wins over a consumer's, and a connector's own over the worker's; those of the worker's own
    client count only for how to connect.
    """
    chosen: dict[str, tuple[str, ConnectFile, str]] = {}
    for name in list(worker.unread):
        if name.startswith(_SECURITY):
            chosen[name] = (worker.peek(name), worker, name)
    for kind in ("consumer", "producer", "admin"):
        prefixes = [(worker, f"{kind}."), *((file, f"{kind}.override.") for file in connectors)]
        for file, prefix in prefixes:
            for name, text in file.beneath(prefix).items():
                if name == "bootstrap.servers":
                    _other_cluster(worker, file, prefix + name, text)
                    continue
                if name == "group.id" or (kind == "admin" and not name.startswith(_SECURITY)):
                    continue
                before = chosen.get(name)
                if before is not None and before[0] != text and name.startswith(_SECURITY):
                    shown = f"{before[2]} and {prefix}{name}"
                    file.translation.remark(
                        "kafka", f"{shown} differ, and there is one [kafka.librdkafka] for both: the latter is taken."
                    )
                if kind != "admin" or before is None:
                    chosen[name] = (text, file, prefix + name)
    stores = {name: value for name, value in chosen.items() if name.startswith(("ssl.truststore.", "ssl.keystore."))}
    for name, (text, file, written) in chosen.items():
        if name not in stores or name in _OTHER:
            _one(name, text, file, written)
    for store in ("truststore", "keystore"):
        _store(store, stores)


def _other_cluster(worker: ConnectFile, file: ConnectFile, written: str, text: str) -> None:
    if items(text) != items(worker.peek("bootstrap.servers")):
        fix = "is another cluster than bootstrap.servers of the worker, and ingest has one: write it with -c or --set"
        file.refuse(written, ("kafka", "bootstrap_servers"), fix)


def _one(name: str, text: str, file: ConnectFile, written: str) -> None:
    translation, origin = file.translation, file.origin(written)
    if name == "sasl.jaas.config":
        _jaas(text, file, written)
    elif name in _OTHER:
        theirs, converted = _OTHER[name]
        try:
            _set(translation, theirs, converted(text), origin)
        except BadValue as bad:
            file.refuse(written, (*LIBRDKAFKA, theirs), str(bad), secret=is_secret(theirs))
    elif name in _SAME:
        _set(translation, name, text, origin)
    else:
        why = _WITHOUT_MEANING.get(name, "it is not among the settings that librdkafka has under the same meaning")
        translation.remark("kafka", f"{written} in {file.name} is not taken over: {why}.")


def _set(translation: Translation, name: str, text: str, origin: str) -> None:
    """Adds a setting, unless it conflicts with a stronger promise of ingest."""
    try:
        value = librdkafka_setting(name, text)
    except BadValue as refused:
        translation.remark("kafka", f"{origin} is not taken over: {str(refused).partition(': ')[0]}.")
        return
    translation.set((*LIBRDKAFKA, name), value, origin)


def _jaas(text: str, file: ConnectFile, written: str) -> None:
    module = _JAAS_MODULE.match(text)
    options = {option[1]: _unquoted(option[2]) for option in _JAAS_OPTION.finditer(text)}
    origin, key = file.origin(written), (*LIBRDKAFKA, "sasl.username")
    match module[1] if module else "":
        case "PlainLoginModule" | "ScramLoginModule":
            if "username" not in options or "password" not in options:
                file.refuse(written, key, "has no username and password: write both", secret=True)
                return
            _set(file.translation, "sasl.username", options["username"], origin)
            _set(file.translation, "sasl.password", options["password"], origin)
        case "Krb5LoginModule":
            for theirs, ours in (
                ("principal", "sasl.kerberos.principal"),
                ("keyTab", "sasl.kerberos.keytab"),
                ("serviceName", "sasl.kerberos.service.name"),
            ):
                if theirs in options:
                    _set(file.translation, ours, options[theirs], origin)
        case _:
            fix = "is a login that is not known here: write librdkafka's own settings in [kafka.librdkafka] of a file for -c"
            file.refuse(written, key, fix, secret=True)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] in "\"'" else text


def _store(store: str, settings: Mapping[str, tuple[str, ConnectFile, str]]) -> None:
    place = settings.get(f"ssl.{store}.location")
    if place is None or not place[0]:
        return
    text, file, written = place
    kind = settings.get(f"ssl.{store}.type", ("JKS", file, ""))[0].upper()
    origin, translation = file.origin(written), file.translation
    password = settings.get(f"ssl.{store}.password")
    if store == "truststore" and kind == "PEM":
        translation.set((*LIBRDKAFKA, "ssl.ca.location"), text, origin)
    elif store == "keystore" and kind == "PEM":
        translation.set((*LIBRDKAFKA, "ssl.certificate.location"), text, origin)
        translation.set((*LIBRDKAFKA, "ssl.key.location"), text, origin)
    elif store == "keystore" and kind == "PKCS12":
        translation.set((*LIBRDKAFKA, "ssl.keystore.location"), text, origin)
        if password is not None:
            translation.set((*LIBRDKAFKA, "ssl.keystore.password"), Secret(password[0]), file.origin(password[2]))
    else:
        ours = "ssl.ca.location" if store == "truststore" else "ssl.certificate.location"
        file.refuse(written, (*LIBRDKAFKA, ours), f"{_KEY_STORES}kafka.librdkafka.{ours} with -c or --set")
