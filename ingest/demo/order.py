"""The operator's commands: one as a Kafka record, and as read by the device that received it. Pure."""

import orjson

COUNTER = "counter"


def record_of(device_id: str, counter: int) -> bytes:
    """Returns the operator's `counter`-th command to the device, numbered from 1, as the value of a Kafka record."""
    message = {"command": "measure", COUNTER: counter}
    return orjson.dumps({"deviceId": device_id, "messageId": _message_id(device_id, counter), "message": message})


def counter_of(device_id: str, message_id: str | None, body: bytes) -> int:
    """Returns the number of the operator's command to this device; 0 unless body and message id name the same one."""
    try:
        counter = orjson.loads(body)[COUNTER]
    except (ValueError, KeyError, TypeError):
        return 0
    if not isinstance(counter, int) or counter < 1 or message_id != _message_id(device_id, counter):
        return 0
    return counter


def _message_id(device_id: str, counter: int) -> str:
    return f"{device_id}:{counter}"
