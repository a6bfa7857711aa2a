"""connect-iothub-sink.properties: the old sink connector's properties as keys of ours. Pure."""

from typing import Final

from ingest.config import connection_strings, values
from ingest.config.values import BadValue, Secret
from ingest.migrate.connect_file import ConnectFile
from ingest.migrate.java_values import items
from ingest.migrate.source import topic_name

HUB: Final = ("hub", "iot_hub_connection_string")
_TOPICS: Final = ("sink", "topics")
_ACK: Final = ("sink", "ack")
_GROUP: Final = ("sink", "group_id")
_DEAD: Final = ("sink", "dead_letter_topic")
_CONNECTION: Final = "IotHub.ConnectionString"
_ACKNOWLEDGEMENT: Final = "IotHub.MessageDeliveryAcknowledgement"
_DEAD_LETTERS: Final = "errors.deadletterqueue.topic.name"
ACKS: Final = {"None": "none", "Full": "full", "PositiveOnly": "positive", "NegativeOnly": "negative"}
"""The old connector's words → ours."""
GROUP_PREFIX: Final = "connect-"
"""What Connect puts before a sink connector's name to make its consumer group."""


def translate(file: ConnectFile, name: str | None, worker: ConnectFile) -> None:
    """Adds the file's settings to its translation; `name` is the connector's."""
    translation = file.translation
    connection = file.read(_CONNECTION, HUB, _connection, secret=True)
    if connection is not None:
        translation.set(HUB, connection, file.origin(_CONNECTION))
    _topics(file)
    _group(file, name, worker)
    ack = file.read_if_there(_ACKNOWLEDGEMENT, _ACK, _ack)
    if ack is not None:
        remark = "" if ack == "none" else "The feedback goes to feedback_topic; the old connector read none."
        translation.set(_ACK, ack, file.origin(_ACKNOWLEDGEMENT), remark)
    translation.remark(
        "sink", "tier and units give the rate that the hub allows; the old connector knew none. Write the hub's own."
    )


def _group(file: ConnectFile, name: str | None, worker: ConnectFile) -> None:
    """Adds the group that Connect derives from the name, unless a setting of its consumer replaces it."""
    remark = "The old connector's consumer group: its committed offsets go on."
    for where, setting in ((file, "consumer.override.group.id"), (worker, "consumer.group.id")):
        if where.peek(setting):
            file.translation.set(_GROUP, where.peek(setting), where.origin(setting), remark)
            return
    if name:
        file.translation.set(_GROUP, GROUP_PREFIX + name, file.origin("name"), remark)


def _topics(file: ConnectFile) -> None:
    if "topics" not in file and "topics.regex" in file:
        file.refuse("topics.regex", _TOPICS, "topics are read by name here: write them in topics, separated by commas")
        return
    topics = file.read("topics", _TOPICS, _topic_names)
    if topics is None:
        return
    file.translation.set(_TOPICS, topics, file.origin("topics"))
    dead = file.read_if_there(_DEAD_LETTERS, _DEAD, lambda text: topic_name(text) if text else "")
    if dead:
        file.translation.set(_DEAD, dead, file.origin(_DEAD_LETTERS))
    elif values.topic_name_problem(f"{topics[0]}.dead") is None:
        remark = "What can never be sent; the old connector's task ended there."
        file.translation.set(_DEAD, f"{topics[0]}.dead", file.origin("topics"), remark)


def _topic_names(text: str) -> list[str]:
    names = list(dict.fromkeys(map(topic_name, items(text))))
    if not names:
        raise BadValue("is empty: write the names of Kafka topics, separated by commas")
    return names


def _connection(text: str) -> Secret:
    if not text:
        raise BadValue("is empty: write the connection string of the policy service")
    connection_strings.iot_hub(text)
    return Secret(text)


def _ack(text: str) -> str:
    if text in ACKS:
        return ACKS[text]
    near = next((word for word in ACKS if word.lower() == text.lower()), None)
    if near is not None:
        raise BadValue(f"write it as {near}: upper and lower case count")
    raise BadValue(f"write one of {', '.join(ACKS)}, or delete the line for None")
