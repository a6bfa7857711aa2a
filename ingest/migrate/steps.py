"""The steps of the how-to for HDInsight, for an error about a property that one of them fills in. docs/hdinsight.md has
them beside ours."""

from typing import Final

PLACEHOLDER: Final = "PLACEHOLDER"
"""What the original files contain."""
_BROKERS: Final = (2, "find the brokers (Ambari), and write them as host:port")
_TOPICS: Final = (4, "create the topics, and write the topic's name")
_HUB: Final = (
    5,
    "find the hub's data (portal, Built-in endpoints; or `az iot hub show`), and write",
)
_POLICY: Final = (5, "find the hub's policy (portal, Shared access policies; or `az iot hub policy show`), and write")
_WORKER: Final = (3, "")
_SOURCE: Final = (6, "")
_SINK: Final = (7, "")
_STEPS: Final = {
    "bootstrap.servers": _BROKERS,
    "key.converter": _WORKER,
    "value.converter": _WORKER,
    "Kafka.Topic": _TOPICS,
    "topics": _TOPICS,
    "IotHub.EventHubCompatibleName": (_HUB[0], f"{_HUB[1]} the Event Hub-compatible name"),
    "IotHub.EventHubCompatibleEndpoint": (
        _HUB[0],
        f"{_HUB[1]} the Event Hub-compatible endpoint, sb://NAME.servicebus.windows.net/",
    ),
    "IotHub.Partitions": (_HUB[0], f"{_HUB[1]} the number of partitions"),
    "IotHub.AccessKeyName": (_POLICY[0], f"{_POLICY[1]} its name, such as service"),
    "IotHub.AccessKeyValue": (_POLICY[0], f"{_POLICY[1]} its primary key"),
    "IotHub.StartTime": (
        _SOURCE[0],
        "write a time in UTC, such as 2016-11-28T00:00:00Z, or delete the line to begin at the oldest event",
    ),
    "IotHub.Offsets": (
        _SOURCE[0],
        "write one offset for each partition, or delete the line to begin at the oldest event",
    ),
    "IotHub.ConsumerGroup": _SOURCE,
    "BatchSize": _SOURCE,
    "ReceiveTimeout": _SOURCE,
    "IotHub.MessageDeliveryAcknowledgement": _SINK,
    "IotHub.ConnectionString": (
        _SINK[0],
        "write the connection string of the policy service (portal, Shared access policies; "
        "or `az iot hub connection-string show`)",
    ),
}


def skipped_step(name: str) -> str:
    """Returns what to do about a property without a value, a clause; empty if no step fills it in."""
    number, what = _STEPS.get(name, (0, ""))
    return f"step {number} of the how-to was skipped: {what}" if what else ""


def is_filled_in(name: str) -> bool:
    """Whether a step of the how-to fills the property in."""
    return name in _STEPS


def of_step(name: str, fix: str) -> str:
    """Returns the fix of a wrong value with the step that fills the property in, unless the fix names it already."""
    number, _ = _STEPS.get(name, (0, ""))
    return f"{fix} (step {number} of the how-to)" if number and " of the how-to" not in fix else fix
