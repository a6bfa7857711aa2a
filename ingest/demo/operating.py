"""The operator, as any application with commands: writes them to a Kafka topic, and hears from the devices what came.

The operator is at most `AHEAD_COMMANDS` ahead of the devices, for the reason that the telemetry is held back
(`ingest.demo.command`).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle

from confluent_kafka import KafkaError, Message

from ingest.demo.audit import Audit
from ingest.demo.order import record_of
from ingest.demo.plan import Plan
from ingest.demo.summary import Commands
from ingest.errors import IngestError
from ingest.kafka.client import new_producer

AHEAD_COMMANDS = 2_000
DEFAULT_RATE = 5.0
"""Commands per second, alongside telemetry, of a plan that says no number."""
FLUSH_SECONDS = 10.0


class Operator:
    """`start`, `poll` often, `hear`, and at last `close`, which leaves nothing unwritten."""

    def __init__(
        self,
        plan: Plan,
        bootstrap: str,
        topic: str,
        device_ids: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without `device_ids` there is nobody to command, and nothing is ever sent."""
        self.audit = Audit()
        """Of the commands that devices received."""
        self.total = 0
        self.seconds = 0.0
        """From the first command to the last one that arrived."""
        self._left = plan.commands if device_ids else 0
        """How many are still to be sent; None: until `stop`."""
        self._topic = topic
        self._clock = clock
        self._devices = cycle(device_ids)
        self._counters = dict.fromkeys(device_ids, 0)
        """Device id → commands sent, which is also the last one's counter."""
        self._began = 0.0
        self._refusal: KafkaError | None = None
        # Idempotent: what Kafka held twice, devices would rightly receive twice.
        self._producer = new_producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 3}
        )

    @property
    def waiting(self) -> int:
        """Commands that no device has received yet."""
        return self.total - self.audit.arrived

    @property
    def done(self) -> bool:
        """All are sent and received. Never before `stop` if the plan says no number."""
        return self._left == 0 and self.waiting <= 0

    def start(self) -> None:
        self._began = self._clock()

    def poll(self) -> None:
        """Sends what is due. Raises IngestError when Kafka has not taken a command."""
        for _ in range(self._due()):
            device_id = next(self._devices)
            self._counters[device_id] += 1
            self.total += 1
            record = record_of(device_id, self._counters[device_id])
            self._producer.produce(self._topic, record, device_id, on_delivery=self._on_delivery)
        self._producer.poll(0)
        if self._refusal is not None:
            raise IngestError(f"the embedded Kafka has not taken a command: {self._refusal.str()}")

    def hear(self, received: Iterable[tuple[str, int]]) -> None:
        """What devices have received, in that order: device id and the command's counter, 0 for none of ours."""
        for device_id, counter in received:
            if counter:
                self.audit.see(device_id, counter)
            else:
                self.audit.see_unreadable()
            self.seconds = self._clock() - self._began

    def stop(self) -> None:
        """No further command."""
        self._left = 0

    def close(self) -> None:
        self.stop()
        self._producer.flush(FLUSH_SECONDS)

    def summary(self, examples: int) -> Commands:
        """What became of the commands so far, with up to `examples` of those that are missing."""
        audit = self.audit
        missing = audit.missing(self._counters)
        return Commands(
            sent=self.total,
            delivered=self.total - missing,
            missing=missing,
            repeated=audit.duplicated,
            out_of_order=audit.out_of_order,
            strange=audit.unreadable,
            seconds=self.seconds,
            missing_examples=audit.missing_examples(self._counters, examples),
        )

    def _due(self) -> int:
        room = max(0, AHEAD_COMMANDS - self.waiting)
        if self._left is None:
            scheduled = int((self._clock() - self._began) * DEFAULT_RATE) + 1
            return min(room, scheduled - self.total)
        due = min(room, self._left)
        self._left -= due
        return due

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        self._refusal = self._refusal or error
