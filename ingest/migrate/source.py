"""connect-iothub-source.properties: the old source connector's properties as keys of ours. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.config import connection_strings, values
from ingest.config.values import BadValue, Secret
from ingest.instants import nanoseconds
from ingest.migrate.connect_file import ConnectFile
from ingest.migrate.endpoint import host_and_port
from ingest.migrate.java_values import split_as_java, trimmed, whole
from ingest.migrate.positions import partition_offset
from ingest.migrate.translation import NO_KEY

HUB: Final = ("hub", "event_hub_connection_string")
_TOPIC: Final = ("source", "topic")
_START: Final = ("source", "start")
_PARTITIONS: Final = ("source", "partitions")
_MOST_PARTITIONS: Final = 10_000
_NAME: Final = "IotHub.EventHubCompatibleName"
_ENDPOINT: Final = "IotHub.EventHubCompatibleEndpoint"
_KEY_NAME: Final = "IotHub.AccessKeyName"
_KEY: Final = "IotHub.AccessKeyValue"
_EVENT_HUB_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NAMED: Final = re.compile(
    r"(?i)(?:shared ?access ?key|(?:primary|secondary) ?key|key)(?:name|value)?[\"']?[=:](?!=*$)"
)
"""What stands in front of a key in a connection string, or in what az prints."""
_PERCENT_ENCODED: Final = re.compile(r"(?i)%(?:2b|2f|3d)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def translate(file: ConnectFile) -> None:
    """Adds the file's settings to its translation."""
    _hub(file)
    _topic(file)
    group = file.read_if_there("IotHub.ConsumerGroup", ("source", "consumer_group"), _consumer_group)
    if group is not None:
        file.translation.set(("source", "consumer_group"), group, file.origin("IotHub.ConsumerGroup"))
    count = file.read("IotHub.Partitions", _PARTITIONS, _partitions)
    if count is not None:
        file.translation.remark(
            "source",
            f"IotHub.Partitions = {count} has no meaning here: the hub is asked, and all of its partitions are read. To read "
            "only some, write partitions.",
        )
    _start(file, count)
    for name in ("BatchSize", "ReceiveTimeout"):
        number = file.read_if_there(name, NO_KEY, whole)
        if number is not None:
            file.translation.remark(
                "source", f"{name} = {number} has no meaning here: what the hub sends ahead is tuned."
            )


def _hub(file: ConnectFile) -> None:
    host = file.read(_ENDPOINT, HUB, host_and_port)
    event_hub = file.read(_NAME, HUB, _event_hub)
    policy = file.read(_KEY_NAME, HUB, _part)
    key = file.read(_KEY, HUB, _key, secret=True)
    file.translation.event_hub = event_hub or file.peek(_NAME)
    if host is None or event_hub is None or policy is None or key is None:
        return
    text = f"Endpoint=sb://{host}/;SharedAccessKeyName={policy};SharedAccessKey={key};EntityPath={event_hub}"
    try:
        connection_strings.event_hub(text)
    except BadValue as bad:
        file.refuse(_ENDPOINT, HUB, str(bad))
        return
    file.translation.set(HUB, Secret(text), file.origin(_ENDPOINT, _NAME, _KEY_NAME, _KEY))


def _part(text: str) -> str:
    """Returns one part of a connection string."""
    if not text:
        raise BadValue("is empty: write its value")
    if ";" in text:
        raise BadValue("has a semicolon, so it is more than this one value: write the value alone")
    if any(character.isspace() for character in text):
        raise BadValue("has white space inside: write the value alone")
    return text


def _event_hub(text: str) -> str:
    name = _part(text)
    if not _EVENT_HUB_NAME.fullmatch(name):
        raise BadValue(
            "is not a name: write the Event Hub-compatible name alone, such as iothub-ehub-myhub-1234567-89abcdef01"
        )
    return name


def _key(text: str) -> str:
    key = _part(text)
    named = _NAMED.match(key)
    if named is not None:
        raise BadValue(f"begins with {named[0]}: write only what comes after it")
    if _PERCENT_ENCODED.search(key):
        raise BadValue("is percent-encoded, as in a URL: write the key as the portal shows it, with +, / and =")
    return key


def _topic(file: ConnectFile) -> None:
    topic = file.read("Kafka.Topic", _TOPIC, topic_name)
    if topic is None:
        return
    file.translation.set(_TOPIC, topic, file.origin("Kafka.Topic"))
    dead = f"{topic}.dead"
    if values.topic_name_problem(dead) is None:
        remark = "What can never be delivered; the old connector's task ended there."
        file.translation.set(("source", "dead_letter_topic"), dead, file.origin("Kafka.Topic"), remark)


def topic_name(text: str) -> str:
    """Raises BadValue."""
    if not text:
        raise BadValue("is empty: write the name of a Kafka topic")
    values.topic_name(text)
    return text


def _consumer_group(text: str) -> str:
    values.consumer_group(text)
    return text


def _partitions(text: str) -> int:
    try:
        count = whole(text)
    except BadValue as bad:
        raise BadValue(f"{bad}: the hub's number of partitions, such as 4") from None
    if not 1 <= count <= _MOST_PARTITIONS:
        raise BadValue(
            "a hub has at least one partition, and its number is in the portal, Built-in endpoints: such as 4"
        )
    return count


def _start(file: ConnectFile, count: int | None) -> None:
    """Adds the start; a readable StartTime wins over Offsets, as in the old connector."""
    if file.peek("IotHub.StartTime"):
        before = len(file.translation.problems)
        time = file.read_if_there("IotHub.StartTime", _START, _time)
        if time is not None:
            file.translation.set(_START, time, file.origin("IotHub.StartTime"))
        if len(file.translation.problems) == before and file.peek("IotHub.Offsets"):
            file.translation.remark("source", "IotHub.Offsets has no meaning beside IotHub.StartTime, here as there.")
            return
    if file.peek("IotHub.Offsets"):
        offsets = file.read_if_there("IotHub.Offsets", _START, _offsets)
        if offsets and count is not None:
            _set_offsets(file, offsets, count)


def _time(text: str) -> str:
    """Returns an RFC 3339 time in UTC, rounded down to microseconds."""
    since_1970 = nanoseconds(text)
    if since_1970 is None:
        raise BadValue(
            "is not a time in UTC like 2016-11-28T00:00:00Z, and the old connector passed it over without a word: correct it, "
            "or delete the line to begin at the oldest event, as it did"
        )
    try:
        time = _EPOCH + timedelta(microseconds=since_1970 // 1000)
    except OverflowError:
        raise BadValue("is a time that no event has: correct the year, or delete the line") from None
    spec = "seconds" if not time.microsecond else "milliseconds" if time.microsecond % 1000 == 0 else "microseconds"
    return time.isoformat(timespec=spec).replace("+00:00", "Z")


def _offsets(text: str) -> list[str]:
    """Returns one offset per partition from 0; empty if the partition begins at its oldest event."""
    offsets = [trimmed(offset) for offset in split_as_java(text)]
    for partition, offset in enumerate(offsets):
        try:
            partition_offset(offset)
        except BadValue as bad:
            raise BadValue(f"the offset of partition {partition}: {bad}") from None
    return offsets


def _set_offsets(file: ConnectFile, offsets: list[str], count: int) -> None:
    used = {str(partition): offset for partition, offset in enumerate(offsets[:count]) if offset}
    origin = file.origin("IotHub.Offsets")
    for partition, offset in used.items():
        file.translation.set((*_START, partition), offset, origin)
    if len(offsets) > count:
        file.translation.remark(
            "source", f"Of IotHub.Offsets the first {count} count, as IotHub.Partitions says so, here as there."
        )
