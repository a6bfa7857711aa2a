"""A link to a hub that takes, refuses and breaks off as it is told, in place of `ingest.sink.sending.sender.Sender`."""

from collections import deque
from collections.abc import Iterable

from ingest.sink.commands.command import Command
from ingest.sink.sending.results import LINK_LOST, RELEASED, SENT, UNANSWERED, Outcome, judge

CONDITIONS = (
    "com.microsoft:device-container-throttled",
    "com.microsoft:server-busy",
    "com.microsoft:timeout",
    "com.microsoft:quota-exceeded",
    "amqp:resource-limit-exceeded",
    "amqp:unauthorized-access",
    "amqp:internal-error",
)
FAULTS = (*CONDITIONS, "taken and lost", "lost", "released", "unanswered")
"""What may come of a command instead of an acceptance. With those that are lost the link ends, and all on it."""


class SimulatedSender:
    """As `Sender`; of its faults one for each answer, until there are none."""

    def __init__(self, known_devices: Iterable[str]) -> None:
        self.trouble: str | None = None
        self.ready = True
        self.faults: deque[str] = deque()
        self.taken: list[Command] = []
        """What the hub has, in its order, repeats and all."""
        self._known = frozenset(known_devices)
        self._flying: list[Command] = []

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    def start(self) -> None: ...

    def send(self, command: Command) -> None:
        assert self.ready
        self._flying.append(command)

    def poll(self, timeout: float) -> list[tuple[Command, Outcome]]:
        self.ready = True
        self.trouble = None
        answers: list[tuple[Command, Outcome]] = []
        while self._flying:
            command = self._flying.pop(0)
            if command.device_id not in self._known:
                answers.append((command, judge("amqp:not-found", "no such device")))
                continue
            fault = self.faults.popleft() if self.faults else None
            if fault in (None, "taken and lost"):
                self.taken.append(command)
            if fault in ("lost", "taken and lost"):
                self.ready, self.trouble = False, "the link ended"
                answers += [(lost, LINK_LOST) for lost in (command, *self._flying)]
                self._flying.clear()
            else:
                answers.append((command, _outcome(fault)))
        return answers

    def close(self) -> None: ...


def _outcome(fault: str | None) -> Outcome:
    match fault:
        case None:
            return SENT
        case "released":
            return RELEASED
        case "unanswered":
            return UNANSWERED
    return judge(fault, "not now")
