"""One log of events, read by one reader after the other, and an independent count of what each of them saw."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.interop.reader import Event, Positions, Reader

WAITING = 23
"""Events per partition that wait for a reader."""
LIVE = 19
"""Events per partition that come while it reads."""
LAST = 6
"""Events per partition that come when it is killed. Too few for another checkpoint of a processor, which writes one
every ten events: each kill leaves some without."""


@dataclass(frozen=True)
class _Leg:
    """What became of one reader."""

    reader: str
    ended: str
    events: int
    repeats: int
    """Events that an earlier reader had handled already."""
    seconds: tuple[float, float]
    """From its start until it had caught up, and from then to its end."""


class Chain:
    """Readers of one hub, one at a time. `stop` and `kill` run one, end it so, and raise AssertionError when it leaves
    an event out, or repeats one that a checkpoint of its predecessor covers."""

    def __init__(self, partitions: Sequence[str], send: Callable[[str, Sequence[str]], None]) -> None:
        """`send(partition, bodies)` adds events to the log."""
        self._partitions = partitions
        self._send = send
        self._sent: list[str] = []
        self._seen: set[Event] = set()
        self._positions: Positions = {}
        self._legs: list[_Leg] = []
        self._started = self._began = 0.0

    def idle(self, reader: Reader) -> None:
        """A graceful run before the first event: it leaves a position of every partition."""
        reader.start()
        reader.wait_until(lambda: set(self._partitions) <= reader.positions().keys())
        reader.stop()
        assert not reader.seen(), f"{reader.name} has read what nobody sent"
        self._positions = reader.positions()

    def stop(self, reader: Reader) -> None:
        """A graceful end with everything handled: its checkpoints cover all."""
        self._begin(reader)
        self._feed(LIVE)
        reader.wait_until(lambda: self._caught_up(reader))
        reader.stop()
        self._end(reader, "stopped")
        assert self._uncovered() == set(), f"{reader.name} has stopped without its last checkpoints"

    def kill(self, reader: Reader) -> None:
        """SIGKILL in the middle of events that come in, after its first checkpoints."""
        self._begin(reader)
        reader.wait_until(lambda: self._moved(reader.positions()))
        handled = len(reader.seen())
        self._feed(LAST)
        reader.wait_until(lambda: len(reader.seen()) > handled)
        reader.kill()
        self._end(reader, "killed")

    def lost(self) -> list[str]:
        """Bodies of events that were sent and that no reader has seen."""
        seen = {event.body for event in self._seen}
        return [body for body in self._sent if body not in seen]

    def story(self) -> str:
        lines = [f"sent {len(self._sent)}, lost {len(self.lost())}"]
        for leg in self._legs:
            started, rest = leg.seconds
            lines.append(
                f"{leg.reader}: {leg.events} events, {leg.repeats} repeats, {leg.ended} ({started:.1f} s + {rest:.1f} s)"
            )
        return "\n".join(lines)

    def _begin(self, reader: Reader) -> None:
        self._feed(WAITING)
        self._started = time.monotonic()
        reader.start()
        reader.wait_until(lambda: self._caught_up(reader))
        self._began = time.monotonic()

    def _feed(self, events: int) -> None:
        for partition in self._partitions:
            bodies = [str(len(self._sent) + index) for index in range(events)]
            self._sent += bodies
            self._send(partition, bodies)

    def _caught_up(self, reader: Reader) -> bool:
        known = {event.body for event in self._seen} | {event.body for event in reader.seen()}
        return len(known) == len(self._sent)

    def _moved(self, positions: Positions) -> bool:
        """Whether there is a checkpoint of every partition beyond those of the readers before."""
        return all(positions.get(each, -1) > self._positions.get(each, -1) for each in self._partitions)

    def _end(self, reader: Reader, ended: str) -> None:
        events = reader.seen()
        repeats = self._seen.intersection(events)
        seconds = (self._began - self._started, time.monotonic() - self._began)
        self._legs.append(_Leg(reader.name, ended, len(events), len(repeats), seconds))
        assert repeats <= self._uncovered(), (
            f"{self.story()}: checkpoints covered {len(repeats - self._uncovered())} of these repeats"
        )
        for partition in self._partitions:
            numbers = [event.sequence_number for event in events if event.partition == partition]
            assert numbers, f"{reader.name} has read nothing of partition {partition}"
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"{reader.name}: {numbers}"
            last = max((event.sequence_number for event in self._seen if event.partition == partition), default=-1)
            assert numbers[0] <= last + 1, f"{reader.name} began at {numbers[0]}, its predecessors ended at {last}"
        self._seen.update(events)
        self._positions = {**self._positions, **reader.positions()}

    def _uncovered(self) -> set[Event]:
        """Handled, and no checkpoint says so."""
        return {event for event in self._seen if event.sequence_number > self._positions.get(event.partition, -1)}
