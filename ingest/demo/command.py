"""Starts everything, watches until every event has arrived, and reports the result.

**Pacing.** The embedded Kafka keeps 5 MiB per partition and silently drops older records. So the devices may be at most
`AHEAD_EVENTS` ahead of the count in the topic: less than Kafka keeps even if all of it is in one partition. `--rate` is
therefore an upper limit, and `--events` without it runs as fast as the slowest part.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from ingest.demo.hub import HubProcess
from ingest.demo.ingest_process import (
    COMMAND_DEAD_LETTER_TOPIC,
    COMMAND_TOPIC,
    DEAD_LETTER_TOPIC,
    POSITION_TOPIC,
    TOPIC,
)
from ingest.demo.nodes import Nodes
from ingest.demo.operating import Operator
from ingest.demo.plan import Plan
from ingest.demo.summary import Summary
from ingest.demo.topic import TopicReader
from ingest.demo.view import Moment, View, open_view
from ingest.errors import EXIT_CRASH, EXIT_OK
from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline

AHEAD_EVENTS = 5_000
"""A record takes less than 1,000 bytes, uncompressed."""
KAFKA_PARTITIONS = 8
NO_PROGRESS_SECONDS = 30.0
DRAIN_SECONDS = 20.0
READ_SECONDS = 0.1
SHOW_SECONDS = 0.5
FIGURES_SECONDS = 2.5
MISSING_SHOWN = 5


def run(args: argparse.Namespace) -> int:
    plan = Plan.of(args)
    with ExitStack() as stack:
        interrupt = stack.enter_context(_interruptible())
        view = open_view()
        stack.callback(view.close)
        times = f", {plan.nodes} times" if plan.nodes > 1 else ""
        view.say(f"Starting an emulated IoT Hub, an embedded Kafka and `ingest run`{times}.")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingest-demo-")))
        demo = Demo(plan, folder, view, stack)
        interrupt.graceful = True
        failure = demo.flow(interrupt)
        summary = demo.summary(Deadline(DRAIN_SECONDS))
    print(summary.in_words(plan), file=sys.stderr if args.as_json else sys.stdout)
    if failure:
        print(f"ingest: {failure}", file=sys.stderr)
    if args.as_json:
        print(summary.as_json)
    return EXIT_CRASH if failure or not summary.complete else EXIT_OK


class Interrupt:
    """Handles Ctrl-C and its like: once devices run, the first one ends them; any other ends the demo at once."""

    def __init__(self) -> None:
        self.graceful = False
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked or not self.graceful:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def _interruptible() -> Iterator[Interrupt]:
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Demo:
    """The running parts. The stack ends them all, in reverse order, however the demo ends."""

    def __init__(self, plan: Plan, folder: Path, view: View, stack: ExitStack) -> None:
        """Starts all parts except the devices. Raises IngestError if one does not start."""
        self._plan = plan
        self._view = view
        self._kafka = stack.enter_context(MockCluster())
        self._kafka.create_topic(TOPIC, KAFKA_PARTITIONS)
        self._kafka.create_topic(DEAD_LETTER_TOPIC, 1)
        self._kafka.create_topic(COMMAND_TOPIC, KAFKA_PARTITIONS)
        self._kafka.create_topic(COMMAND_DEAD_LETTER_TOPIC, 1)
        if plan.delivery == "exactly_once" or plan.nodes > 1:
            self._kafka.create_topic(POSITION_TOPIC, plan.partitions)
        self._hub = HubProcess(plan, folder)
        stack.push(_end(self._hub))
        self._hub.start()
        commands = self._hub.commands
        if self._hub.why_no_commands:
            view.say(f"No commands are sent. {self._hub.why_no_commands}")
        self._operator = Operator(
            plan, self._kafka.bootstrap, COMMAND_TOPIC, commands.device_ids if commands is not None else ()
        )
        stack.callback(self._operator.close)
        self._reader = TopicReader(self._kafka.bootstrap, TOPIC, KAFKA_PARTITIONS)
        stack.callback(self._reader.close)
        self._reader.start()
        self._ingest = Nodes(plan, self._hub.connection_string, commands, self._kafka.bootstrap, folder)
        stack.push(_end(self._ingest))
        self._ingest.start()
        self._hub.guard(*self._ingest.groups)
        self._ingest.wait_until_ready()
        self._began = self._last_arrival = time.monotonic()

    def flow(self, interrupt: Interrupt) -> str | None:
        """Lets devices and operator send until they are done and everything has arrived. Returns what went wrong, or
        None."""
        audit, operator = self._reader.audit, self._operator
        self._began = self._last_arrival = moved = time.monotonic()
        operator.start()
        stopped = False
        show_at = 0.0
        while self._busy(interrupt):
            self._hub.allow(audit.arrived + AHEAD_EVENTS)
            if interrupt.asked and not stopped:
                self._view.say("Ending the devices; what they have sent is still counted.")
                self._hub.stop()
                operator.stop()
                stopped = True
            before = audit.arrived, operator.audit.arrived
            self._reader.poll(READ_SECONDS)
            self._hear()
            operator.poll()
            self._ingest.poll(middle=self._is_middle, say=self._view.say)
            if self._hub.per_device is not None and self._plan.commands is None:
                operator.stop()
            now = time.monotonic()
            if audit.arrived > before[0]:
                self._last_arrival = now
            waiting = audit.arrived < self._hub.sent or operator.waiting > 0 or not self._ingest.settled
            if not waiting or (audit.arrived, operator.audit.arrived) != before:
                moved = now
            elif now - moved > NO_PROGRESS_SECONDS:
                return f"nothing has arrived for {NO_PROGRESS_SECONDS:g} s. {self._ingest.last_words()}"
            if self._ingest.died():
                return self._ingest.obituary()
            if now >= show_at:
                show_at = now + SHOW_SECONDS
                self._show()
        return None

    def _busy(self, interrupt: Interrupt) -> bool:
        """Whether something is still to come."""
        moving = self._hub.per_device is None or self._reader.audit.arrived < self._hub.sent or not self._operator.done
        return moving or (not self._ingest.settled and not interrupt.asked)

    @property
    def _is_middle(self) -> bool:
        """Whether half of what the devices send is sent."""
        half = self._plan.events // 2 if self._plan.events else None
        passed = time.monotonic() - self._began
        return self._hub.sent >= half if half is not None else passed >= self._plan.seconds / 2

    def summary(self, deadline: Deadline) -> Summary:
        """Ends all senders and `ingest run`, then counts what is in Kafka and at the devices."""
        hub, reader, operator = self._hub, self._reader, self._operator
        hub.stop()
        operator.stop()
        while hub.per_device is None and not deadline.expired:
            reader.poll(READ_SECONDS)
            self._hear()
        # The figures are up to a second old; the last table should show everything.
        settling = Deadline(FIGURES_SECONDS)
        while not self._show() and not settling.expired and not self._ingest.died():
            reader.poll(READ_SECONDS)
        before = reader.audit.arrived
        self._ingest.close()
        self._ingest.join(deadline)
        self._hub.guard()
        hub.tell()
        operator.hear(hub.received())
        reader.read_to_end(deadline)
        if reader.audit.arrived > before:
            self._last_arrival = time.monotonic()
        audit, sent = reader.audit, hub.per_device or {}
        return Summary(
            sent=hub.sent,
            in_kafka=audit.records,
            missing=audit.missing(sent),
            duplicated=audit.duplicated,
            out_of_order=audit.out_of_order,
            unreadable=audit.unreadable,
            seconds=self._last_arrival - self._began,
            missing_examples=audit.missing_examples(sent, MISSING_SHOWN),
            commands=operator.summary(MISSING_SHOWN),
            delivery=self._plan.delivery,
            nodes=self._plan.nodes,
            takeover_seconds=self._ingest.takeover_seconds,
        )

    def _hear(self) -> None:
        self._hub.poll()
        self._operator.hear(self._hub.received())

    def _show(self) -> bool:
        """Shows the figures. Returns whether they have caught up with Kafka and the devices."""
        figures, audit, commands = self._ingest.figures(), self._reader.audit, self._operator.audit
        if figures is None:
            return False
        self._view.show(
            Moment(
                seconds=time.monotonic() - self._began,
                # The devices' own figure can be older than the number of arrivals.
                sent=max(self._hub.sent, audit.arrived),
                arrived=audit.arrived,
                duplicated=audit.duplicated,
                commands_sent=self._operator.total,
                commands_arrived=commands.arrived,
                commands_repeated=commands.duplicated,
                figures=figures,
            )
        )
        return (
            sum(one.acked for one in figures.partitions.values()) >= audit.arrived
            and sum(one.sent for one in figures.workers.values()) >= commands.arrived
        )


def _end(part: HubProcess | Nodes) -> Callable[[type[BaseException] | None, object, object], None]:
    def end(kind: type[BaseException] | None, _: object, __: object) -> None:
        if kind is KeyboardInterrupt:
            part.terminate()
        else:
            part.close()
        part.join(Deadline(DRAIN_SECONDS))

    return end
