"""The hub's process as the demo sees it: its addresses, what its devices have sent, and how much they may send."""

import dataclasses
import json
import os
import select
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.demo.plan import Plan
from ingest.demo.process import ChildProcess
from ingest.errors import IngestError
from ingest.timing import Deadline

START_SECONDS = 30.0
TELL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CommandAccess:
    """What a service needs to send commands to the hub's devices."""

    connection_string: str
    ca_file: str
    device_ids: Sequence[str]


class HubProcess:
    """`start`, `allow`, `poll` often, `stop` the devices, `close` and `join`. The counts are the devices' own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.connection_string = ""
        self.commands: CommandAccess | None = None
        """None if the plan has no commands, or if `why_no_commands` gives a reason."""
        self.why_no_commands = ""
        self.sent = 0
        self.per_device: Mapping[str, int] | None = None
        """Device id → events sent, which is also its last counter; None until the devices have ended."""
        self._received: list[tuple[str, int]] = []
        self._told = False
        self._allowed = 0
        self._partial = b""
        self._process = ChildProcess(
            "hub", ["ingest.demo.hub_process", json.dumps(dataclasses.asdict(plan))], folder, talks=True
        )

    def start(self) -> None:
        """Returns when clients can connect. Raises IngestError if the process ends or does not get ready."""
        self._process.start()
        os.set_blocking(self._process.output.fileno(), False)
        deadline = Deadline(START_SECONDS)
        while not self.connection_string:
            if deadline.expired:
                raise IngestError(f"the hub is not ready after {START_SECONDS:g} s. {self._process.last_words()}")
            select.select([self._process.output], [], [], deadline.remaining())
            self.poll()

    def allow(self, events: int) -> None:
        """Let the devices send up to `events` in all; the first call starts them."""
        if events > self._allowed:
            self._allowed = events
            self._order(f"allow {events}")

    def guard(self, *groups: int) -> None:
        """Let the hub's process kill these process groups if the demo dies before another `guard`."""
        self._order(f"guard {' '.join(map(str, groups))}")

    def stop(self) -> None:
        """Stop the devices' sending."""
        self._order("stop")

    def received(self) -> list[tuple[str, int]]:
        """Returns the commands completed by devices since the last call: device id and the operator's counter."""
        received, self._received = self._received, []
        return received

    def tell(self) -> None:
        """Waits until everything received by devices so far is reported. Raises IngestError if the process has died."""
        self._told = False
        self._order("tell")
        deadline = Deadline(TELL_SECONDS)
        while not self._told and not deadline.expired:
            select.select([self._process.output], [], [], deadline.remaining())
            self.poll()

    def poll(self) -> None:
        """Reads the devices' reports. Raises IngestError if the process has died."""
        while (received := self._read()) is not None:
            if not received:
                raise IngestError(f"the hub's process has died. {self._process.last_words()}")
            *lines, self._partial = (self._partial + received).split(b"\n")
            for line in lines:
                news = json.loads(line)
                if "commands" in news:
                    self.commands = CommandAccess(**news["commands"])
                self.why_no_commands = news.get("why_no_commands", self.why_no_commands)
                self.connection_string = news.get("connection_string", self.connection_string)
                self.sent = news.get("sent", self.sent)
                self.per_device = news.get("per_device", self.per_device)
                self._received += map(tuple, news.get("received", ()))
                self._told |= "told" in news

    def close(self) -> None:
        self._process.end_input()

    def terminate(self) -> None:
        self._process.terminate()

    def join(self, deadline: Deadline) -> None:
        self._process.join(deadline)

    def _read(self) -> bytes | None:
        """Returns None if there is nothing to read now, b"" at the end of the output."""
        try:
            return os.read(self._process.output.fileno(), 1 << 20)
        except BlockingIOError:
            return None

    def _order(self, line: str) -> None:
        try:
            self._process.input.write(line.encode() + b"\n")
            self._process.input.flush()
        except BrokenPipeError:
            raise IngestError(f"the hub's process has died. {self._process.last_words()}") from None
