"""What a sink process counts, handed to the meter before every heartbeat."""

from collections.abc import Mapping
from typing import Protocol

from ingest.kafka.dead_letters.topic import DeadLetterTopic
from ingest.metrics import catalogue as m
from ingest.metrics.bottleneck import TimeShares
from ingest.metrics.meter import Histogram, Meter
from ingest.sink.intake.consumer import CommandConsumer
from ingest.sink.pacing.shared_rate import SharedRate
from ingest.sink.sending.sender import Sender


class Measured(Protocol):
    """The parts of a sink process that count."""

    worker: str
    throttled: int
    seconds: Histogram
    shares: TimeShares
    dead_letters: DeadLetterTopic
    sender: Sender
    budget: SharedRate
    commands: CommandConsumer

    @property
    def counts(self) -> Mapping[str, int]: ...


class SinkMeasures:
    """Called with the meter once a second; reads plain ints and keeps no copies."""

    def __init__(self, worker: Measured) -> None:
        self._worker = worker

    def __call__(self, meter: Meter) -> None:
        worker, name = self._worker, self._worker.worker
        for outcome in m.SINK_COMMANDS.known:
            meter.total(m.SINK_COMMANDS, worker.counts[outcome], name, outcome)
        for reason, count in worker.dead_letters.written.items():
            meter.total(m.SINK_DEAD_LETTERS, count, name, reason)
        meter.total(m.SINK_THROTTLED, worker.throttled, name)
        meter.gauge(m.SINK_IN_FLIGHT, worker.sender.in_flight, name)
        meter.gauge(m.SINK_RATE_LIMIT, worker.budget.rate, name)
        meter.gauge(m.SINK_LAG, worker.commands.lag, name)
        meter.histogram(m.SINK_SEND_SECONDS, worker.seconds, name)
        for part, share in worker.shares.take().items():
            meter.gauge(m.BOTTLENECK, share, "sink", name, part)
