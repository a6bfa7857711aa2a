"""A processor in some language on Microsoft's own client, as a process of its own: see README.md for its lines."""

from collections.abc import Callable, Mapping, Sequence

from tests.faults.waiting import PATIENCE_SECONDS
from tests.interop.reader import Event, Positions
from tests.services.guard import Guard
from tests.services.process import ServiceProcess


class ForeignReader:
    """A `Reader`: one run of a processor. `close` it in the end, however it ended."""

    def __init__(self, name: str, command: Sequence[str], order: Mapping[str, str]) -> None:
        """`order` are the environment variables that the processors read."""
        self.name = name
        self._guard = Guard(f"interop-{name}")
        self._process = ServiceProcess(name, command, self._guard, order)

    def start(self) -> None:
        self._process.start()

    def seen(self) -> list[Event]:
        return [Event(partition, int(number), body) for partition, number, body in self._lines("event")]

    def positions(self) -> Positions:
        return {partition: int(number) for partition, number in self._lines("checkpoint")}

    def wait_until(self, ready: Callable[[], bool]) -> None:
        self._process.wait_until(ready, PATIENCE_SECONDS)

    def stop(self) -> None:
        self._process.close()
        self._process.join(PATIENCE_SECONDS)
        assert "stopped" in self._process.output(), f"{self.name} did not stop by itself:\n{self._process.output()}"

    def kill(self) -> None:
        self._process.terminate()
        self._process.join(PATIENCE_SECONDS)

    def close(self) -> None:
        """Harmless after either end."""
        self._process.terminate()
        self._process.join(PATIENCE_SECONDS)
        self._guard.close()

    def _lines(self, kind: str) -> list[list[str]]:
        # Without the last line, which may be half written: it is empty otherwise.
        lines = self._process.output().split("\n")[:-1]
        return [words[1:] for line in lines if (words := line.split(" ")) and words[0] == kind]
