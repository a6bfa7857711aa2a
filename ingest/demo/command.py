"""Starts everything, watches until every event has arrived, and tells how it went.

**Pacing.** The embedded Kafka keeps 5 MiB a partition and drops older records without a word. So the devices may be at
most `AHEAD_EVENTS` ahead of what has been counted in the topic: less than Kafka keeps even if all of it is in one
partition. `--rate` is therefore the most, and `--events` without it runs as fast as the slowest part.
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

from ingest.deadline import Deadline
from ingest.demo.hub import HubProcess
from ingest.demo.plan import Plan
from ingest.demo.source import DEAD_LETTER_TOPIC, TOPIC, SourceProcess
from ingest.demo.summary import Summary
from ingest.demo.topic import TopicReader
from ingest.demo.view import Moment, View, open_view
from ingest.errors import EXIT_CRASH, EXIT_OK
from ingest.kafka.mock import MockCluster

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
        view.say("Starting an emulated IoT Hub, an embedded Kafka and `ingest run`.")
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
    return EXIT_CRASH if failure or summary.missing else EXIT_OK


class Interrupt:
    """Ctrl-C and its kin: the first ends the devices once there are some, any other ends the demo at once."""

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
    """The parts at work. The stack ends every one of them, in the reverse order, however the demo ends."""

    def __init__(self, plan: Plan, folder: Path, view: View, stack: ExitStack) -> None:
        """Starts all parts but the devices. Raises IngestError when one does not start."""
        self._view = view
        self._kafka = stack.enter_context(MockCluster())
        self._kafka.create_topic(TOPIC, KAFKA_PARTITIONS)
        self._kafka.create_topic(DEAD_LETTER_TOPIC, 1)
        self._hub = HubProcess(plan, folder)
        stack.push(_end(self._hub))
        self._hub.start()
        self._reader = TopicReader(self._kafka.bootstrap, TOPIC, KAFKA_PARTITIONS)
        stack.callback(self._reader.close)
        self._reader.start()
        self._source = SourceProcess(self._hub.connection_string, self._kafka.bootstrap, folder)
        stack.push(_end(self._source))
        self._source.start()
        self._hub.guard(self._source.group)
        self._source.wait_until_ready()
        self._began = self._last_arrival = time.monotonic()

    def flow(self, interrupt: Interrupt) -> str | None:
        """Devices send until they are done, and everything arrives. Says what went wrong, if something did."""
        audit = self._reader.audit
        self._began = self._last_arrival = moved = time.monotonic()
        stopped = False
        show_at = 0.0
        while self._hub.per_device is None or audit.arrived < self._hub.sent:
            self._hub.allow(audit.arrived + AHEAD_EVENTS)
            if interrupt.asked and not stopped:
                self._view.say("Ending the devices; what they have sent is still counted.")
                self._hub.stop()
                stopped = True
            before = audit.arrived
            self._reader.poll(READ_SECONDS)
            self._hub.poll()
            now = time.monotonic()
            if audit.arrived > before:
                self._last_arrival = now
            if audit.arrived > before or audit.arrived >= self._hub.sent:
                moved = now
            elif now - moved > NO_PROGRESS_SECONDS:
                return f"nothing has arrived for {NO_PROGRESS_SECONDS:g} s. {self._source.last_words()}"
            if self._source.died():
                return self._source.obituary()
            if now >= show_at:
                show_at = now + SHOW_SECONDS
                self._show()
        return None

    def summary(self, deadline: Deadline) -> Summary:
        """Ends devices and source, and counts what is in Kafka then."""
        hub, reader = self._hub, self._reader
        hub.stop()
        while hub.per_device is None and not deadline.expired:
            reader.poll(READ_SECONDS)
            hub.poll()
        # The source's figures are up to a second old; the last table should tell of everything.
        settling = Deadline(FIGURES_SECONDS)
        while not self._show() and not settling.expired and not self._source.died():
            reader.poll(READ_SECONDS)
        before = reader.audit.arrived
        self._source.close()
        self._source.join(deadline)
        self._hub.guard(0)
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
        )

    def _show(self) -> bool:
        """Whether the source's figures have caught up with what is in Kafka."""
        figures, audit = self._source.figures(), self._reader.audit
        if figures is None:
            return False
        # The devices' own figure may be older than what has arrived since.
        sent = max(self._hub.sent, audit.arrived)
        self._view.show(Moment(time.monotonic() - self._began, sent, audit.arrived, audit.duplicated, figures))
        return sum(one.acked for one in figures.partitions.values()) >= audit.arrived


def _end(part: HubProcess | SourceProcess) -> Callable[[type[BaseException] | None, object, object], None]:
    def end(kind: type[BaseException] | None, _: object, __: object) -> None:
        if kind is KeyboardInterrupt:
            part.terminate()
        else:
            part.close()
        part.join(Deadline(DRAIN_SECONDS))

    return end
