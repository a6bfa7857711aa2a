"""Which of librdkafka's settings pass through `[kafka.librdkafka]`: wraps secrets, and refuses settings that would
break a promise, with the reason. Names and meanings: librdkafka's CONFIGURATION.md. Pure.
"""

import difflib
import math
import re
from typing import Final

from ingest.config.values import BadValue, Secret

_SECRETS: Final = (
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.jaas.config",
)

_LOST: Final = "ingest keeps every event until Kafka has acknowledged it, however long that takes: leave it out"
_BROKERS: Final = "belongs to kafka.bootstrap_servers"
_OWN: Final = "is set by ingest itself: leave it out"
_SINK: Final = "belongs to sink.group_id"
_COMMIT: Final = "ingest commits an offset only when its command is finished: leave it out"
_REFUSED: Final = {
    "bootstrap.servers": _BROKERS,
    "metadata.broker.list": _BROKERS,
    "message.timeout.ms": _LOST,
    "delivery.timeout.ms": _LOST,
    "retries": _LOST,
    "message.send.max.retries": _LOST,
    "delivery.report.only.error": "ingest moves its checkpoint by delivery reports: leave it out",
    "transactional.id": 'ingest names its transactions itself, with source.delivery = "exactly_once": leave it out',
    "group.id": _SINK,
    "enable.auto.commit": _COMMIT,
    "enable.auto.offset.store": _COMMIT,
    "statistics.interval.ms": _OWN,
    "default.topic.config": "librdkafka takes a topic's settings beside all others: write them here",
    "sasl.jaas.config": "is Kafka's Java setting; here write sasl.mechanism, sasl.username and sasl.password",
}
_FUNCTIONS: Final = re.compile(r".*_cb|on_delivery|on_commit|logger|opaque")
"""Settings of confluent-kafka that take no text, for which it raises whatever comes of it."""
_ALLOWED: Final = {
    "acks": ({"all", "-1"}, 'fewer acknowledgements can lose events: write "all" or leave it out'),
    "request.required.acks": ({"all", "-1"}, 'fewer acknowledgements can lose events: write "all" or leave it out'),
    "enable.idempotence": (
        {"true"},
        "without idempotence events are duplicated and reordered: write true or leave it out",
    ),
    "max.in.flight.requests.per.connection": (set("12345"), "more than 5 would break the order: write 1 to 5"),
    "max.in.flight": (set("12345"), "more than 5 would break the order: write 1 to 5"),
    "partitioner": (
        {"consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random"},
        "the partition must follow from the device: write consistent_random, or murmur2_random as in Java",
    ),
}


_SAME: Final = {
    "compression.codec": "compression.type",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "request.required.acks": "acks",
    "sasl.mechanisms": "sasl.mechanism",
}
"""Another name of a setting → the one that ingest uses."""


def first_name(name: str) -> str:
    """Returns the one name under which a setting is kept, so that a default does not stand beside the user's choice."""
    return _SAME.get(name, name)


def is_secret(name: str) -> bool:
    """Whether the setting's value must never be shown. A misspelt secret counts as one."""
    return bool(
        re.search(r"passw|passphrase|secret|token(?!\.endpoint)|key\.pem$", name)
        or difflib.get_close_matches(name, _SECRETS, n=1, cutoff=0.9)
    )


def librdkafka_setting(name: str, raw: object) -> str | Secret:
    """Returns the text of one setting for librdkafka.

    Raises BadValue if the setting would break a promise, or the value is not text, number or boolean.
    """
    if name in _REFUSED:
        raise BadValue(_REFUSED[name])
    if _FUNCTIONS.fullmatch(name):
        raise BadValue("is a function in a program, and no text: leave it out")
    near = difflib.get_close_matches(name, _SECRETS, n=1, cutoff=0.9)
    if near and name not in _SECRETS:
        raise BadValue(f"librdkafka has no such setting; did you mean {near[0]}?")
    if isinstance(raw, bool):
        text = "true" if raw else "false"
    elif isinstance(raw, str | int | float):
        text = str(raw)
    else:
        raise BadValue(f'expects text, a number or true/false, such as "{name}" = "…" (a list is text with commas)')
    if "\0" in text:
        raise BadValue("has a NUL inside, behind which librdkafka reads nothing: leave it out")
    if isinstance(raw, float) and not math.isfinite(raw):
        raise BadValue("expects a number, and librdkafka takes this one without a word: leave it out")
    if name in _ALLOWED:
        allowed, fix = _ALLOWED[name]
        if text.lower() not in allowed:
            raise BadValue(fix)
    return Secret(text) if is_secret(name) else text
