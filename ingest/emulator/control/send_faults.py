"""Faults on the service's side of cloud-to-device messages: those of the sending links, and those of the sends.

Every fault lets `after` sends through first and then strikes `count` times (None: until `clear`). All methods can be
called from any thread; each has taken effect when it returns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from ingest.emulator.conditions import Condition

DETACH_FORCED = "amqp:link:detach-forced"
CONNECTION_FORCED = "amqp:connection:forced"
_TEXT = "A fault of the emulator."


class ServicePeer(Protocol):
    """A service's connection, as faults see it."""

    def close(self, condition: Condition) -> None: ...

    def abort(self) -> None: ...


class SenderLink(Protocol):
    """A live link to `/messages/devicebound`, as faults see it."""

    @property
    def peer(self) -> ServicePeer: ...

    def detach(self, condition: Condition) -> None: ...


class Fate(Enum):
    """The answer to a send instead of the hub's own."""

    REJECT = auto()
    RELEASE = auto()
    LOSE = auto()
    """The hub takes the message as usual, but never sends the answer."""


@dataclass
class _Rule:
    name: str
    after: int
    left: int | None
    fate: Fate | None = None
    condition: Condition | None = None
    device_id: str | None = None
    how: str = ""


class SendFaults:
    """First the faults that a test or the control endpoint orders, then the questions of the service links."""

    def __init__(self, call: Callable[[Callable[[], Any]], Any]) -> None:
        """`call(f)` runs f in the server's thread and returns its result; all state here lives in that thread."""
        self._call = call
        self._rules: list[_Rule] = []
        self._links: dict[SenderLink, None] = {}
        self.struck: dict[Fate, int] = dict.fromkeys(Fate, 0)
        """Number of sends for each fate so far."""
        self.attaches = 0

    def reject_send(
        self,
        condition: str = "amqp:internal-error",
        text: str = _TEXT,
        *,
        after: int = 0,
        count: int | None = 1,
        device_id: str | None = None,
    ) -> None:
        """Reject sends with a condition, those to one device or to any; the messages are not taken."""
        self._add(_Rule("reject_send", after, count, Fate.REJECT, Condition(condition, text), device_id))

    def release_send(self, *, after: int = 0, count: int | None = 1, device_id: str | None = None) -> None:
        """Answer sends with `released`; the messages are not taken."""
        self._add(_Rule("release_send", after, count, Fate.RELEASE, device_id=device_id))

    def lose_disposition(self, *, after: int = 0, count: int | None = 1, device_id: str | None = None) -> None:
        """Take the messages and never answer."""
        self._add(_Rule("lose_disposition", after, count, Fate.LOSE, device_id=device_id))

    def refuse_service_link(
        self, condition: str = "amqp:internal-error", text: str = _TEXT, *, count: int | None = 1
    ) -> None:
        """Answer attaches of links to /messages/devicebound with an error."""
        self._add(_Rule("refuse_service_link", 0, count, condition=Condition(condition, text)))

    def cut_service_link(self, after: int, *, how: str = "abort", times: int = 1) -> None:
        """Take `after` sends in all, then end their link by `detach`, or its connection by `close` or `abort`.

        The last send is taken, and its answer may be lost. `times`: again after as many sends.
        """
        if how not in ("abort", "close", "detach"):
            raise ValueError(f"'{how}' is not abort, close or detach.")
        if after < 1:
            raise ValueError(f"A cut after {after} sends is none of a send; give 1 or more.")
        for _ in range(times):
            self._add(_Rule("cut_service_link", after, 1, how=how))

    def detach_service_links(self, condition: str = DETACH_FORCED, text: str = _TEXT) -> int:
        """Detach the live links to /messages/devicebound with an error. Returns how many."""
        return self._each(lambda link: link.detach(Condition(condition, text)))

    def abort_service_connections(self) -> int:
        """Reset the TCP connections of the live links to /messages/devicebound. Returns how many links there were."""
        return self._each(lambda link: link.peer.abort())

    def close_service_connections(self, condition: str = CONNECTION_FORCED, text: str = _TEXT) -> int:
        """Close those connections in the orderly way, with an error. Returns how many links there were."""
        return self._each(lambda link: link.peer.close(Condition(condition, text)))

    def clear(self) -> None:
        """End every fault."""
        self._call(self._rules.clear)

    def active(self) -> list[dict[str, object]]:
        """Returns the faults in force, for people to read."""

        def listing() -> list[dict[str, object]]:
            return [
                {"name": rule.name, "device_id": rule.device_id, "after": rule.after, "left": rule.left}
                for rule in self._rules
            ]

        answer: list[dict[str, object]] = self._call(listing)
        return answer

    # What service links ask, in the server's thread.

    @property
    def links(self) -> int:
        """Number of links attached now."""
        return len(self._links)

    def attach_refusal(self) -> Condition | None:
        rule = next((rule for rule in self._rules if rule.name == "refuse_service_link"), None)
        if rule is None:
            return None
        self._use(rule)
        return rule.condition

    def joined(self, link: SenderLink) -> None:
        self.attaches += 1
        self._links[link] = None

    def left(self, link: SenderLink) -> None:
        self._links.pop(link, None)

    def fate(self, device_id: str) -> tuple[Fate, Condition | None] | None:
        """Returns the fate of this send. Each fault counts sends separately; of the due ones, the oldest strikes."""
        due = None
        for rule in self._rules:
            if rule.fate is None or rule.device_id not in (None, device_id):
                continue
            if rule.after > 0:
                rule.after -= 1
            elif due is None:
                due = rule
        if due is None or due.fate is None:
            return None
        self._use(due)
        self.struck[due.fate] += 1
        return due.fate, due.condition

    def taken(self, link: SenderLink) -> None:
        """Count an answered send against a planned cut, and carry out the cut if it is due."""
        rule = next((rule for rule in self._rules if rule.name == "cut_service_link"), None)
        if rule is None:
            return
        rule.after -= 1
        if rule.after > 0:
            return
        self._rules.remove(rule)
        match rule.how:
            case "abort":
                link.peer.abort()
            case "close":
                link.peer.close(Condition(CONNECTION_FORCED, _TEXT))
            case _:
                link.detach(Condition(DETACH_FORCED, _TEXT))

    def _use(self, rule: _Rule) -> None:
        if rule.left is not None:
            rule.left -= 1
            if rule.left <= 0:
                self._rules.remove(rule)

    def _add(self, rule: _Rule) -> None:
        if rule.after < 0:
            raise ValueError(f"'after' is {rule.after}; give the number of sends to let through, 0 or more.")
        if rule.left is not None and rule.left < 1:
            raise ValueError(f"A fault that strikes {rule.left} times is none; leave the count out or give 1 or more.")
        self._call(lambda: self._rules.append(rule))

    def _each(self, act: Callable[[SenderLink], None]) -> int:
        def strike() -> int:
            links = list(self._links)
            for link in links:
                act(link)
            return len(links)

        return int(self._call(strike))
