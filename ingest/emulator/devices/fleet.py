"""What simulated devices send, and when: reproducible for a seed, no I/O, clock passed in."""

from collections.abc import Iterator, Mapping
from math import inf
from random import Random
from typing import NamedTuple

CALM: Mapping[str, str] = {"temperatureAlert": "false"}
ALERT: Mapping[str, str] = {"temperatureAlert": "true"}
ALERT_ABOVE_CELSIUS = 28.0
LOW_BATTERY_PERCENT = 10.0
_PADDING_FRAME = len(',"padding":""')


def device_id(number: int) -> str:
    """Returns the id of a simulated device; numbers start at 1."""
    return f"device-{number:04d}"


class Telemetry(NamedTuple):
    """One event before the hub adds its annotations."""

    device_id: str
    body: bytes
    """A JSON object, UTF-8."""
    properties: Mapping[str, str]
    """Application properties; shared between events, so do not change them."""


class Fleet:
    """`devices` simulated sensors named device-0001 …, each with slowly changing values and its own counter from 1.

    Devices take turns in an order drawn once from the seed, like devices with the same period.
    """

    def __init__(self, devices: int, seed: int = 0, body_bytes: int = 0) -> None:
        """`body_bytes`: pad bodies to exactly this size; a larger body stays as it is."""
        self._random = Random(seed)  # noqa: S311 - weather, not secrets
        self._body_bytes = body_bytes
        # A separate generator, so that padding changes no value.
        self._filler = Random(seed).randbytes(body_bytes).hex()  # noqa: S311
        self._devices = [_Device(device_id(number), self._random) for number in range(1, devices + 1)]
        self._random.shuffle(self._devices)
        self._turn = 0

    @property
    def counters(self) -> dict[str, int]:
        """Device id → the last counter taken, which is also the number of its events."""
        return {device.device_id: device.counter for device in sorted(self._devices, key=lambda one: one.device_id)}

    def take(self, count: int) -> Iterator[Telemetry]:
        """Yields the next `count` events."""
        devices, uniform, size = self._devices, self._random.random, self._body_bytes
        for _ in range(count):
            device = devices[self._turn]
            self._turn = (self._turn + 1) % len(devices)
            body = device.next_body(uniform())
            if len(body) < size:
                body = self._pad(body, device.counter)
            yield Telemetry(
                device.device_id, body.encode(), ALERT if device.temperature > ALERT_ABOVE_CELSIUS else CALM
            )

    def _pad(self, body: str, counter: int) -> str:
        room = self._body_bytes - len(body) - _PADDING_FRAME
        if room < 0:
            return body[:-1] + " " * (self._body_bytes - len(body)) + "}"
        # A different part for every event: repeated padding would make compression look better than it is.
        start = counter * 31 % (self._body_bytes + 1)
        return f'{body[:-1]},"padding":"{self._filler[start : start + room]}"}}'


class _Device:
    __slots__ = ("battery", "counter", "device_id", "humidity", "mean", "pressure", "temperature")

    def __init__(self, device_id: str, random: Random) -> None:
        self.device_id = device_id
        self.counter = 0
        self.mean = random.uniform(18, 27)
        self.temperature = self.mean
        self.humidity = random.uniform(35, 60)
        self.pressure = random.uniform(1005, 1020)
        self.battery = random.uniform(40, 100)

    def next_body(self, chance: float) -> str:
        """Returns the body after one step of slow drift to the device's mean; one draw, read three times, moves all."""
        self.counter += 1
        step = chance - 0.5
        self.temperature = temperature = self.temperature + (self.mean - self.temperature) * 0.01 + step
        self.humidity = humidity = self.humidity + (48 - self.humidity) * 0.01 + chance * 64 % 1 - 0.5
        self.pressure = pressure = self.pressure + (1013 - self.pressure) * 0.002 + (chance * 4096 % 1 - 0.5) * 0.2
        self.battery = battery = self.battery - 0.001 if self.battery > 5 else 100.0
        state = "hot" if temperature > ALERT_ABOVE_CELSIUS else "low-battery" if battery < LOW_BATTERY_PERCENT else "ok"
        return (
            f'{{"deviceId":"{self.device_id}","counter":{self.counter},"temperature":{temperature:.2f},'
            f'"humidity":{humidity:.1f},"pressure":{pressure:.1f},"battery":{battery:.1f},"state":"{state}"}}'
        )


class Pacer:
    """How many events are due: `rate` a second from the start on, `total` in all. Late events are made up for."""

    def __init__(self, rate: float, total: int, start: float) -> None:
        """`rate` 0: no limit. `total` 0: no end. `start`: the clock's value at the first event, in seconds."""
        self._rate = rate
        self._total = total or inf
        self._start = start
        self.sent = 0

    @property
    def done(self) -> bool:
        return self.sent >= self._total

    def due(self, now: float, at_most: int) -> int:
        """Returns how many events are due at `now`, up to `at_most`; they count as sent."""
        scheduled = self._total
        if self._rate:
            # A millionth of an event early, so that a rounding error does not cause a second call.
            scheduled = min(scheduled, int((now - self._start) * self._rate + 1e-6) + 1)
        count = int(max(0, min(scheduled - self.sent, at_most)))
        self.sent += count
        return count

    def wait_seconds(self, now: float) -> float:
        """Returns the time until the next event is due: 0 if it is due already, infinite if all were sent."""
        if self.done:
            return inf
        return max(0.0, self._start + self.sent / self._rate - now) if self._rate else 0.0
