"""Traffic as people have it: profiles of telemetry, each made from a seed.

What costs a source is what changes from one event to the next, and how many devices there are. So a profile says what its
devices put into each event. Bodies are cut so that a transfer frame has the profile's size, where it has one.
"""

import gzip
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from bench.events import EVENTS_PER_SECOND
from ingest.amqp.message import Data, Message, Properties
from ingest.amqp.types import Timestamp
from ingest.emulator.devices.fleet import CALM, device_id
from ingest.emulator.telemetry.hub import Hub
from ingest.emulator.telemetry.layout import AUTH_METHOD, GATEWAY_MS, generation_id

FRAME_OVERHEAD_BYTES = 36
"""Of a transfer around its message, as the hub of the benchmarks sends it."""
TWIN_BYTES = 60
"""So much more than of telemetry is around the body of a twin's change."""
DEVICES, MIXED_DEVICES, LARGE_DEVICES = 100, 10_000, 100_000
_JSON, _TEXT = "application/json", "utf-8"
_WORDS = (
    "Kühlhaus",
    "Größe",
    "Température élevée",
    "温度过高",
    "溫度計",
    "Датчик давления",
    "αισθητήρας",
    "🌡️ 21 °C",
    "センサー",
)
_FIRMWARE = tuple(f"{major}.{minor}.{patch}" for major in (1, 2, 3) for minor in range(6) for patch in range(4))

Made = Message
"""An event but for its position and the time at which the partition took it."""


@dataclass(frozen=True)
class Profile:
    """One kind of traffic."""

    name: str
    what: str
    """In words, for whoever reads the figures."""
    make: Callable[[Random, int], Callable[[int, int], Made]]
    """(random, body bytes) → (number of the event, when the hub took it, Unix milliseconds) → the event."""
    frame_bytes: int | None = 600
    """Mean size of a transfer frame; None where bodies have a size that the profile says."""
    body_bytes: int = 0
    """Of such bodies, before they are packed."""

    def events(self, count: int, seed: int = 0) -> Iterator[tuple[Made, int]]:
        """`count` events, each with the time at which the partition takes it, up to now."""
        # Not the seed alone: no two profiles are to draw the same.
        random = Random(f"{self.name} {seed}")
        make = self.make(random, self._body_bytes(random))
        begin = time.time() - count / EVENTS_PER_SECOND
        for number in range(count):
            enqueued_ms = int((begin + number / EVENTS_PER_SECOND) * 1000)
            yield make(number, enqueued_ms - GATEWAY_MS), enqueued_ms

    def _body_bytes(self, random: Random) -> int:
        if self.frame_bytes is None:
            return self.body_bytes
        empty = Hub(name="bench", partitions=1, consumer_groups=())
        make = self.make(random, 0)
        lacking = 0
        for number in range(50):
            made = make(number, 1_790_000_000_000)
            body = made.body.parts[0] if isinstance(made.body, Data) else b""
            empty.append("0", made, 1_790_000_000_000)
            lacking += self.frame_bytes - FRAME_OVERHEAD_BYTES - len(empty.read("0", number, 1)[1][0]) + len(body)
        return lacking // 50


def fill(hub: Hub, profile: Profile, events: int, seed: int = 0) -> None:
    """Puts events of the profile into the hub's partitions, as many into each: that of a fleet of its own, with its own seed."""
    for number, partition in enumerate(hub.partitions):
        share = len(range(number, events, len(hub.partitions)))
        for made, enqueued_ms in profile.events(share, seed + number):
            hub.append(partition, made, enqueued_ms)


def payloads(profile: Profile, events: int, seed: int = 0) -> list[bytes]:
    """What stands behind the transfer performative, in order."""
    hub = Hub(name="bench", partitions=1, consumer_groups=())
    fill(hub, profile, events, seed)
    return hub.read("0", 0, events)[1]


def annotations(device: str, hub_ms: int, source: str = "Telemetry", **more: object) -> dict[Any, Any]:
    """As IoT Hub writes them, without the position."""
    return {
        "iothub-connection-device-id": device,
        "iothub-connection-auth-method": AUTH_METHOD,
        "iothub-connection-auth-generation-id": generation_id(device),
        "iothub-enqueuedtime": Timestamp(hub_ms),
        "iothub-message-source": source,
        **more,
    }


class Bodies:
    """JSON of a sensor, padded to `size` bytes."""

    def __init__(self, random: Random, size: int) -> None:
        self._random = random
        self._size = size
        self._filler = random.randbytes(max(2_400, size)).hex()

    def next(self, number: int, size: int | None = None) -> bytes:
        head = f'{{"n":{number},"t":{self._random.uniform(-20, 40):.2f},"pad":"'
        room = max(0, (self._size if size is None else size) - len(head) - 2)
        # A different cut for every event: padding that repeats would make compression look better than it is.
        start = number * 31 % (len(self._filler) - room)
        return f'{head}{self._filler[start : start + room]}"}}'.encode()


def telemetry(
    devices: int,
    *,
    system: Callable[[Random, int, int], Mapping[str, Any]] = lambda random, number, ms: {},
    properties: Callable[[Random, int, int], Mapping[str, Any]] = lambda random, number, ms: CALM,
    body: Callable[[Random, int, bytes], bytes] = lambda random, number, body: body,
    own: Mapping[str, Any] | None = None,
) -> Callable[[Random, int], Callable[[int, int], Made]]:
    """A profile's `make` for devices in turn. `system`, `properties` and `body` say what each event has, and `own` which
    content type and encoding."""
    described = {"content_type": _JSON, "content_encoding": _TEXT} if own is None else own

    def make(random: Random, body_bytes: int) -> Callable[[int, int], Made]:
        bodies = Bodies(random, body_bytes)

        def event(number: int, hub_ms: int) -> Made:
            device, content = device_id(number % devices + 1), bodies.next(number)
            return Message(
                message_annotations=annotations(device, hub_ms),
                properties=Properties(**described, **system(random, number, hub_ms)),
                application_properties=dict(properties(random, number, hub_ms)),
                body=Data((body(random, number, content),)),
            )

        return event

    return make


def identified(random: Random, number: int, ms: int) -> dict[str, Any]:
    return {"message_id": str(uuid.UUID(int=random.getrandbits(128)))}


def correlated(random: Random, number: int, ms: int) -> dict[str, Any]:
    return {**identified(random, number, ms), "correlation_id": str(uuid.UUID(int=random.getrandbits(128)))}


def created(random: Random, number: int, ms: int) -> dict[str, Any]:
    return {"creation_time": ms - random.randrange(5, 2_000)}


def changing(random: Random, number: int, ms: int) -> dict[str, Any]:
    """Devices send text, whatever it means."""
    return {
        "sequence": str(number),
        "temperature": f"{random.uniform(-20, 40):.2f}",
        "measuredAt": f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
        "trace": f"{random.getrandbits(64):016x}",
    }


def mixed(devices: int) -> Callable[[Random, int], Callable[[int, int], Made]]:
    """Devices in no order, with bodies of 60 to 1,100 bytes and firmware of their own."""

    def make(random: Random, _: int) -> Callable[[int, int], Made]:
        bodies = Bodies(random, 0)
        firmware = [random.choice(_FIRMWARE) for _ in range(devices)]

        def event(number: int, hub_ms: int) -> Made:
            which = random.randrange(devices)
            own = {**changing(random, number, hub_ms), "firmware": firmware[which], "site": f"plant-{which % 23}"}
            if which % 3 == 0:
                own["alarm"] = "low battery"
            return Message(
                message_annotations=annotations(device_id(which + 1), hub_ms),
                properties=Properties(content_type=_JSON, content_encoding=_TEXT, **identified(random, number, hub_ms)),
                application_properties=own,
                body=Data((bodies.next(number, random.randint(60, 1_100)),)),
            )

        return event

    return make


def other_words(random: Random, number: int, body: bytes) -> bytes:
    """As many bytes of JSON, most of it words that are not ASCII."""
    text = f'{{"counter":{number},"note":"'.encode()
    words: list[bytes] = []
    size = len(text) + 2
    while size < len(body):
        word = random.choice(_WORDS).encode() + b" "
        words.append(word)
        size += len(word)
    return text + b"".join(words) + b'"}'


def twins(random: Random, body_bytes: int) -> Callable[[int, int], Made]:
    """Three events of telemetry that the hub enriches, then a change of a device's twin."""
    telemetry_of = telemetry(DEVICES)(random, body_bytes)

    def event(number: int, hub_ms: int) -> Made:
        made = telemetry_of(number, hub_ms)
        device = str((made.message_annotations or {})["iothub-connection-device-id"])
        if number % 4:
            made.application_properties = {
                **(made.application_properties or {}),
                "site": "north",
                "owner": f"customer-{_number(device) % 40}",
                "desiredInterval": str(_number(device) % 60),
            }
            return made
        version = number + 1
        body = {"version": version, "properties": {"reported": {"temperature": round(random.uniform(0, 40), 2)}}}
        return Message(
            message_annotations=annotations(device, hub_ms, "twinChangeEvents"),
            properties=Properties(content_type=_JSON, content_encoding=_TEXT),
            application_properties={
                "hubName": "bench",
                "deviceId": device,
                "opType": "updateTwin",
                "operationTimestamp": f"{datetime.fromtimestamp(hub_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
                "iothub-message-schema": "twinChangeNotification",
            },
            body=Data((json.dumps(body).encode().ljust(max(0, body_bytes - TWIN_BYTES)),)),
        )

    return event


def routed(random: Random, body_bytes: int) -> Callable[[int, int], Made]:
    """What applications send to an Event Hub: no device, a partition key, properties of many types."""
    bodies = Bodies(random, body_bytes)

    def event(number: int, hub_ms: int) -> Made:
        return Message(
            message_annotations={"x-opt-partition-key": f"order-{random.randrange(5_000)}"},
            properties=Properties(content_type=_JSON, **identified(random, number, hub_ms)),
            application_properties={
                "attempt": random.randrange(5),
                "amount": round(random.uniform(1, 900), 2),
                "final": number % 7 == 0,
                "source": "shop",
            },
            body=Data((bodies.next(number),)),
        )

    return event


def _number(device: str) -> int:
    return int(device.rpartition("-")[2])


_BYTES = {"content_type": "application/octet-stream"}
_GZIP = {"content_type": _JSON, "content_encoding": "gzip"}


def _noise(random: Random, number: int, body: bytes) -> bytes:
    return random.randbytes(len(body))


def _packed(random: Random, number: int, body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("uniform", "events that differ in body, position and time alone", telemetry(DEVICES)),
        Profile("message_id", "each with a message id of its own", telemetry(DEVICES, system=identified)),
        Profile("correlation_id", "each with a message id and a correlation id", telemetry(DEVICES, system=correlated)),
        Profile("creation_time", "each with the time of its making", telemetry(DEVICES, system=created)),
        Profile(
            "changing_properties", "four properties that change each time", telemetry(DEVICES, properties=changing)
        ),
        Profile("mixed_fleet", "10,000 devices, all of that, bodies of 60 to 1,100 bytes", mixed(MIXED_DEVICES), None),
        Profile("large_fleet", "the same of 100,000 devices, each once in a while", mixed(LARGE_DEVICES), None),
        Profile("non_ascii", "JSON in other alphabets", telemetry(DEVICES, body=other_words)),
        Profile("binary", "bodies that are no text", telemetry(DEVICES, body=_noise, own=_BYTES)),
        Profile("gzip", "packed JSON, of 600 bytes before", telemetry(DEVICES, body=_packed, own=_GZIP), None, 600),
        Profile("large", "frames of 4 kB", telemetry(DEVICES), 4_096),
        Profile("twins", "enriched telemetry, and changes of twins", twins),
        Profile("no_device", "events of applications, with partition keys", routed),
    )
}
"""By name."""
