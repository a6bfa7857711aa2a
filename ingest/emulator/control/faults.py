"""Faults on request: what goes wrong in the hub, where, and how often.

Every fault takes an optional partition (None: all) and, where it repeats, a `count` (None: until `clear`).
All methods can be called from any thread; each has taken effect when it returns.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ingest.emulator import conditions
from ingest.emulator.conditions import Condition
from ingest.emulator.control.send_faults import SendFaults
from ingest.emulator.telemetry.hub import Hub

DETACH_FORCED = "amqp:link:detach-forced"
CONNECTION_FORCED = "amqp:connection:forced"


class Peer(Protocol):
    """A client's connection, as faults see it."""

    def close(self, condition: Condition) -> None: ...

    def abort(self) -> None: ...


class LiveReceiver(Protocol):
    """An attached receiver, as faults see it."""

    @property
    def partition(self) -> str: ...

    @property
    def peer(self) -> Peer: ...

    def detach(self, condition: Condition) -> None: ...

    def pump(self) -> None: ...


class Population(Protocol):
    """The connected clients."""

    def receivers(self) -> list[LiveReceiver]: ...

    def peers(self) -> Iterable[Peer]: ...


@dataclass
class _Rule:
    name: str
    partition: str | None
    left: int | None
    condition: Condition | None = None

    def covers(self, partition: str | None) -> bool:
        return self.left != 0 and (self.partition is None or self.partition == partition)

    def use(self) -> None:
        if self.left is not None:
            self.left -= 1


class Faults:
    """First the faults that a test or the control endpoint orders, then the questions of the server."""

    def __init__(self, hub: Hub, population: Population, call: Callable[[Callable[[], Any]], Any]) -> None:
        """`call(f)` runs f in the server's thread and returns its result; all state here lives in that thread."""
        self._hub = hub
        self._population = population
        self._call = call
        self._rules: list[_Rule] = []
        self._paused: set[str] = set()
        self.sends = SendFaults(call)
        """Faults of cloud-to-device messages."""
        self.round_trip = 0.0
        """Delay of each answer to a request, in seconds."""

    def detach(
        self,
        condition: str = DETACH_FORCED,
        text: str = "The link was detached by a fault of the emulator.",
        *,
        partition: str | None = None,
        count: int | None = None,
    ) -> int:
        """Detach live receivers, at most `count`, with an error. Returns how many."""
        self._check(partition)
        return int(self._call(lambda: self._detach(Condition(condition, text), partition, count)))

    def close(
        self,
        condition: str = CONNECTION_FORCED,
        text: str = "The connection was closed by a fault of the emulator.",
        *,
        partition: str | None = None,
        count: int | None = None,
    ) -> int:
        """Close connections in the orderly way, with an error. Returns how many."""
        self._check(partition)
        error = Condition(condition, text)
        return int(self._call(lambda: _each(self._peers(partition, count), lambda peer: peer.close(error))))

    def abort(self, *, partition: str | None = None, count: int | None = None) -> int:
        """Reset TCP connections without a word. Returns how many."""
        self._check(partition)
        return int(self._call(lambda: _each(self._peers(partition, count), lambda peer: peer.abort())))

    def refuse_attach(
        self,
        condition: str = "amqp:internal-error",
        text: str = "The link was refused by a fault of the emulator.",
        *,
        partition: str | None = None,
        count: int | None = None,
    ) -> None:
        """Answer attaches of receivers with an error."""
        self._add(_Rule("refuse_attach", partition, count, Condition(condition, text)))

    def refuse_cbs(self, *, count: int | None = None) -> None:
        """Answer put-token with 401, however good the token."""
        self._add(_Rule("refuse_cbs", None, count))

    def starve(self, *, partition: str | None = None, count: int | None = None) -> None:
        """Take credit and deliver nothing: to all receivers, live or new; with a count, to the next that attach."""
        self._add(_Rule("starve", partition, count))

    def delay(self, round_trip_seconds: float) -> None:
        """Delay every frame, half of the round trip each way. Order and throughput stay."""
        if not 0 <= round_trip_seconds <= 60:
            raise ValueError(f"A round trip of {round_trip_seconds} s is not within 0 to 60 s.")

        def set_delay() -> None:
            self.round_trip = round_trip_seconds

        self._call(set_delay)

    def throttle(self, *, partition: str | None = None, count: int | None = None) -> int:
        """Be busy: detach live receivers with server-busy and refuse attaches, the next `count` of them.

        Returns how many were detached.
        """
        self._add(_Rule("throttle", partition, count, conditions.SERVER_BUSY))
        return int(self._call(lambda: self._detach(conditions.SERVER_BUSY, partition, None)))

    def pause(self, partition: str | None = None) -> None:
        """Accept events but show none: neither delivered nor, for a starting position, there."""
        self._check(partition)

        def pause() -> None:
            for each in self._hub.partitions if partition is None else (partition,):
                self._hub.pause(each)
                self._paused.add(each)

        self._call(pause)

    def expire(self, partition: str | None = None) -> None:
        """Let every event that is held expire at once; numbering goes on."""
        self._check(partition)

        def expire() -> None:
            for each in self._hub.partitions if partition is None else (partition,):
                self._hub.query(each, lambda log: log.expire())

        self._call(expire)

    def recreate(self) -> None:
        """Delete the hub and make it again under its name: empty, numbered from 0. Its connections end."""

        def recreate() -> None:
            self._hub.recreate()
            for peer in self._population.peers():
                peer.abort()

        self._call(recreate)

    def cut(self, after: int, *, partition: str | None = None, how: str = "abort") -> None:
        """Let `after` more deliveries through, to all receivers together, then `abort`, `close` or `detach`."""
        if how not in ("abort", "close", "detach"):
            raise ValueError(f"'{how}' is not abort, close or detach.")
        self._add(_Rule(f"cut by {how}", partition, after))

    def clear(self) -> None:
        """End every fault; paused and starved partitions flow again."""

        def clear() -> None:
            self._rules.clear()
            self.sends.clear()
            self.round_trip = 0.0
            for partition in self._paused:
                self._hub.resume(partition)
            self._paused.clear()
            for receiver in self._population.receivers():
                receiver.pump()

        self._call(clear)

    def active(self) -> list[dict[str, object]]:
        """Returns the faults in force, for people to read: name, partition and how often each will still strike."""

        def listing() -> list[dict[str, object]]:
            found: list[dict[str, object]] = [
                {"name": rule.name, "partition": rule.partition, "left": rule.left} for rule in self._rules
            ]
            found += [{"name": "pause", "partition": each, "left": None} for each in sorted(self._paused)]
            if self.round_trip:
                found.append({"name": "delay", "round_trip_seconds": self.round_trip})
            return found + self.sends.active()

        answer: list[dict[str, object]] = self._call(listing)
        return answer

    # What the server asks, in its own thread.

    def attach_refusal(self, partition: str) -> Condition | None:
        rule = self._first(("refuse_attach", "throttle"), partition)
        if rule is None:
            return None
        self._use(rule)
        return rule.condition

    def refuses_token(self) -> bool:
        rule = self._first(("refuse_cbs",), None)
        if rule is not None:
            self._use(rule)
        return rule is not None

    def starves_new(self, partition: str) -> bool:
        """Whether a fault with a count starves a receiver that attaches now, for its whole life."""
        rule = next((r for r in self._rules if r.name == "starve" and r.left is not None and r.covers(partition)), None)
        if rule is not None:
            self._use(rule)
        return rule is not None

    def starves(self, partition: str) -> bool:
        return any(r.name == "starve" and r.left is None and r.covers(partition) for r in self._rules)

    def allowance(self, partition: str) -> int | None:
        """Returns how many deliveries still pass before a cut; None if no cut is planned."""
        rule = self._cut(partition)
        return rule.left if rule else None

    def delivered(self, receiver: LiveReceiver, count: int) -> bool:
        """Count deliveries against a planned cut. Returns whether the cut has ended the receiver."""
        rule = self._cut(receiver.partition)
        if rule is None or rule.left is None:
            return False
        rule.left -= count
        if rule.left > 0:
            return False
        self._rules.remove(rule)
        match rule.name:
            case "cut by abort":
                receiver.peer.abort()
            case "cut by close":
                receiver.peer.close(Condition(CONNECTION_FORCED, "The connection was cut by a fault of the emulator."))
            case _:
                receiver.detach(Condition(DETACH_FORCED, "The link was cut by a fault of the emulator."))
        return True

    def _cut(self, partition: str) -> _Rule | None:
        return next((r for r in self._rules if r.name.startswith("cut") and r.partition in (None, partition)), None)

    def _first(self, names: tuple[str, ...], partition: str | None) -> _Rule | None:
        return next((rule for rule in self._rules if rule.name in names and rule.covers(partition)), None)

    def _use(self, rule: _Rule) -> None:
        rule.use()
        if rule.left == 0:
            self._rules.remove(rule)

    def _check(self, partition: str | None) -> None:
        if partition is not None and partition not in self._hub.partitions:
            raise ValueError(f"There is no partition '{partition}'; there are {', '.join(self._hub.partitions)}.")

    def _add(self, rule: _Rule) -> None:
        self._check(rule.partition)
        if rule.left is not None and rule.left < 1:
            raise ValueError(f"A fault that strikes {rule.left} times is none; leave the count out or give 1 or more.")
        self._call(lambda: self._rules.append(rule))

    def _covered(self, partition: str | None, count: int | None) -> list[LiveReceiver]:
        return [r for r in self._population.receivers() if partition in (None, r.partition)][:count]

    def _detach(self, condition: Condition, partition: str | None, count: int | None) -> int:
        return _each(self._covered(partition, count), lambda receiver: receiver.detach(condition))

    def _peers(self, partition: str | None, count: int | None) -> list[Peer]:
        if partition is None:
            return list(self._population.peers())[:count]
        return list(dict.fromkeys(receiver.peer for receiver in self._covered(partition, None)))[:count]


def _each(things: Iterable[Any], act: Callable[[Any], None]) -> int:
    reached = 0
    for thing in things:
        act(thing)
        reached += 1
    return reached
