"""Single values of the configuration: secrets, the start position, names that Kafka and Azure allow.

Pure: nothing here reads files or the environment. Parsers raise BadValue, whose text says what to write instead and
never repeats the value (the loader shows it, redacted if necessary).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final


class BadValue(ValueError):
    """An unusable value. `str()` is the fix: a clause for `errors.Problem.fix`."""


class Secret:
    """A string that appears as `***` everywhere; `reveal()` returns the text.

    Compares and hashes by value, pickles, and is falsy if empty.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)


_LOOKS_SECRET: Final = re.compile(
    r"(?i)(key|signature|sig|password|secret|token)\s*=|SharedAccess|-----BEGIN"
    # USER:PASSWORD@, also where the address around it is misspelt, or the password has characters that it must not have.
    r"""|(?:^|["'\s,=]|:/|//)[^\s/:@"',]*:[^@]*@"""
)
_KEY: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?!/.*[^=]$)[A-Za-z0-9+/_-]{40,}={0,2}")
"""An access key in base64: 44 characters in IoT Hub and Event Hubs, 88 in storage accounts. Does not match a path."""
_WEB_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_USER_IN_URL: Final = re.compile(r"(?<=://)(?:[^/\s:@]*:[^\s@]*|[^/\s@]*)@")

_HTTP_URL: Final = re.compile(r"https?://[^\s/?#@,]+(/[^\s?#]*)?")


def looks_secret(text: str) -> bool:
    """Whether text for another purpose seems to contain a secret, such as a connection string in the wrong key."""
    return _LOOKS_SECRET.search(text) is not None or any(
        kind.fullmatch(text.strip()) is not None for kind in (_KEY, _WEB_TOKEN)
    )


def without_user(text: str) -> str:
    """Returns the text with `***` for the user and password of each URL in it: `http://***@proxy:3128`."""
    return _USER_IN_URL.sub("***@", text)


def http_url(text: str) -> None:
    """Raises BadValue unless the text is the address of a service: http or https, a host, no user."""
    if "@" in text:
        raise BadValue("expects an address without a user: write that into the keys user and password_file")
    if not _HTTP_URL.fullmatch(text):
        raise BadValue("expects an address that begins with http:// or https://, such as https://registry:8081")


NO_SECRET: Final = Secret()


@dataclass(frozen=True, slots=True)
class Earliest:
    """The oldest event that the hub still holds."""


EARLIEST: Final = Earliest()


@dataclass(frozen=True, slots=True)
class Latest:
    """Only events that arrive after the receiver has attached."""


@dataclass(frozen=True, slots=True)
class At:
    """The first event that the hub enqueued at this time or later. `time` has a time zone."""

    time: datetime


@dataclass(frozen=True, slots=True)
class Offsets:
    """Partition id → the offset of the last known event (opaque text); a partition not named here starts at the oldest
    event."""

    by_partition: Mapping[str, str]


Start = Earliest | Latest | At | Offsets

_START_FIX: Final = (
    'write "earliest", "latest", a time with its zone such as "2024-05-01T00:00:00Z", '
    'or a table [source.start] of partition = "offset"'
)
_NO_TIME_OF_DAY: Final = "a date without a time of day; write it like 2024-05-01T00:00:00Z"
_RFC_3339: Final = re.compile(r"(?i)\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(\.\d{1,6})?(z|[+-]\d\d:\d\d)?")


def start_position(value: object) -> Start:
    """Reads `source.start`: a word, an RFC 3339 time with zone (text or TOML's own), or a table partition → offset."""
    if isinstance(value, Mapping):
        return Offsets({str(partition): _offset(str(partition), offset) for partition, offset in value.items()})
    if isinstance(value, datetime):
        return At(_with_zone(value))
    if isinstance(value, date):
        raise BadValue(_NO_TIME_OF_DAY)
    if not isinstance(value, str):
        raise BadValue(_START_FIX)
    if value in ("earliest", "latest"):
        return EARLIEST if value == "earliest" else Latest()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise BadValue(_NO_TIME_OF_DAY)
    if not _RFC_3339.fullmatch(value):
        raise BadValue(_START_FIX)
    try:
        time = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise BadValue(f"there is no such time ({error}); write it like 2024-05-01T00:00:00Z") from None
    return At(_with_zone(time))


def _with_zone(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise BadValue("a time without a zone; add Z for UTC or an offset such as +02:00")
    try:
        time.astimezone(UTC)
    except OverflowError:
        raise BadValue("there is no such time in UTC, whose years are 1 to 9999; write another") from None
    return time


def _offset(partition: str, offset: object) -> str:
    partition_id(partition)
    if isinstance(offset, int) and not isinstance(offset, bool):
        return str(offset)
    if not isinstance(offset, str) or not offset:
        raise BadValue(f'the offset of partition {partition} is not text; write {partition} = "4611686018427"')
    return offset


def topic_name_problem(name: str) -> str | None:
    """Returns why Kafka refuses this topic name (legal: 1 to 249 of a-z A-Z 0-9 . _ -, not "." or ".."), or None."""
    if name in ("", ".", ".."):
        return "not a legal Kafka topic name; use letters, digits, dots, underscores and hyphens"
    if len(name) > 249:
        return f"too long for a Kafka topic name: {len(name)} characters, 249 allowed"
    illegal = sorted(set(re.sub(r"[A-Za-z0-9._-]", "", name)))
    if illegal:
        shown = " ".join(repr(character) for character in illegal)
        return f"not a legal Kafka topic name because of {shown}; use letters, digits, dots, underscores and hyphens"
    return None


def topic_name(name: str) -> None:
    problem = topic_name_problem(name)
    if problem:
        raise BadValue(problem)


def consumer_group(name: str) -> None:
    """Checks a name by the rule of Event Hubs: 1 to 50 letters, digits, `.`, `-`, `_`; or `$Default`."""
    if name.lower() != "$default" and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", name):
        raise BadValue("not a consumer group of Event Hubs; write one that the hub lists, such as $Default")


def group_id(name: str) -> None:
    """Checks the name of a consumer group of Kafka, which allows any text; a NUL would cut it, and no tool shows others."""
    if not name.isprintable():
        raise BadValue("there is a line break or another control character inside: leave it out")


def entity_name(name: str) -> None:
    """Checks a name by the rule of Event Hubs: 1 to 256 letters, digits, `.`, `-`, `_`."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?", name):
        raise BadValue("not the name of an Event Hub; write the one that the namespace lists, without a path")


def partition_id(name: str) -> None:
    if not re.fullmatch(r"0|[1-9][0-9]{0,4}", name):
        raise BadValue('a partition is a number from 0, written as text: "0"')


def container_name(name: str) -> None:
    """Checks a name by Azure Blob Storage's rule: 3 to 63 of a-z 0-9 and single hyphens, none at the ends."""
    if not re.fullmatch(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", name):
        raise BadValue("not a legal container name; use 3 to 63 lower-case letters, digits and single hyphens")


def bootstrap_servers(text: str) -> None:
    """Checks for `host:port`, comma separated; IPv6 in brackets."""
    for server in text.split(","):
        match = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", server.strip())
        if match is None:
            raise BadValue(
                "not a list of brokers; write host:port, several separated by commas: kafka1:9092,kafka2:9092"
            )
        port_number(match[1])


def host_name(text: str) -> None:
    """Checks for a name as the header Host of HTTP has it, without a port; with a dot in front it is a domain."""
    if not re.fullmatch(r"(?i)\.?[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", text):
        raise BadValue(
            "not the name of a host; write it alone, such as ingest.example.com, without https:// or a port, or "
            ".example.com for all names of that domain"
        )


def port_number(text: str) -> int:
    """Returns a TCP port from 1 to 65535. Raises BadValue."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise BadValue("the port is not a number from 1 to 65535")
    return int(text)
