"""Roles for tests of the supervisor: real child processes that do one small thing each."""

import logging
import os
import resource
import signal
import threading
from pathlib import Path

from ingest.errors import Displaced, Refused, RestartRequired
from ingest.hub.auth.contract import EVENT_HUBS, NoToken
from ingest.hub.auth.held import HELD
from ingest.metrics import catalogue as m
from ingest.metrics.meter import Histogram, Meter
from ingest.process.child import Child


def works(child: Child) -> None:
    """Ready at once; counts its turns; ends when asked to."""
    turns = 0

    def measure(meter: Meter) -> None:
        meter.total(m.SOURCE_EVENTS, turns, child.task.slot)

    child.measure(measure)
    while not child.stopping:
        turns += 1
        child.beat(True, "working")
        child.wait(0.02)
    child.beat(False, "stopped")


def warns(child: Child) -> None:
    """Ready; logs one warning, three times, and a line that is none."""
    logging.getLogger("ingest").info("it works")
    for _ in range(3):
        logging.getLogger("ingest").warning("slot %s is slow", child.task.slot)
    while not child.stopping:
        child.beat(True, "working")
        child.wait(0.02)


def refused(child: Child) -> None:
    child.beat(False, "asking")
    raise Refused("amqp:not-found: no such hub")


def crashes(child: Child) -> None:
    raise RuntimeError("boom")


def lacks_threads(child: Child) -> None:
    child.beat(True, "working")
    raise RuntimeError("can't start new thread")


def lacks_descriptors(child: Child) -> None:
    """Works on without a free descriptor."""
    child.beat(False, "starts")
    held = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, held[0] + 1))
    while not child.stopping:
        child.beat(True, "works on")
        child.wait(0.02)


def recycles_once_ready(child: Child) -> None:
    child.beat(True, "working")
    raise RestartRequired("stalled: nothing came")


def refused_once_ready(child: Child) -> None:
    child.beat(True, "working")
    raise Refused("amqp:unauthorized-access: the key was changed")


def kills_itself(child: Child) -> None:
    child.beat(True, "working")
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(child: Child) -> None:
    """Ready once, then silent for ever, deaf to a stop."""
    child.beat(True, "working")
    threading.Event().wait()


def answers(child: Child) -> None:
    child.result({"partitions": ["0", "1"], "slot": child.task.slot})


def answers_with_group(child: Child) -> None:
    child.result({"partitions": ["0", "1"], "group": "ingest/toys"})


def shows_facts(child: Child) -> None:
    """Says what it was told; crashes the first time, when it was told something."""
    child.beat(True, f"facts: {sorted(child.task.facts)}")
    if child.task.facts:
        raise RuntimeError("first life")
    while not child.stopping:
        child.beat(True, f"facts: {sorted(child.task.facts)}")
        child.wait(0.02)


def shows_budget(child: Child) -> None:
    """Says whether the shared file of the send budget is there."""
    budget = child.task.shared["budget"]
    while not child.stopping:
        child.beat(True, budget if Path(budget).is_file() else "no budget")
        child.wait(0.02)


def shows_token(child: Child) -> None:
    """Ready while it holds a token for Event Hubs, whose first letters it says; else it says why not."""
    while not child.stopping:
        try:
            child.beat(True, f"holds {HELD.get(EVENT_HUBS).text[:1]}")
        except NoToken as lacks:
            child.beat(False, str(lacks))
        child.wait(0.02)


def refused_without_token(child: Child) -> None:
    while not child.stopping:
        try:
            child.beat(True, f"holds {HELD.get(EVENT_HUBS).text[:1]}")
        except NoToken as lacks:
            if lacks.refused:
                raise Refused(str(lacks)) from None
            child.beat(False, str(lacks))
        child.wait(0.02)


def takes_a_turn(child: Child) -> None:
    """Asks for a turn, is ready once it has it, and keeps it."""
    child.want_turn()
    while not child.stopping and not child.wait_for_turn(0.1):
        child.beat(False, "waits")
    while not child.stopping:
        child.beat(True, "has its turn")
        child.wait(0.02)


def measures_everything(child: Child) -> None:
    """Writes every series that a process of its role and slot could write, with the value 1."""
    own = {"role": child.task.role, "slot": child.task.slot}
    own["partition" if child.task.role == "source" else "worker"] = child.task.slot

    def measure(meter: Meter) -> None:
        for metric in m.METRICS:
            if metric.labels[0] not in own:
                continue
            labels = [own.get(name, "any") for name in metric.labels]
            if metric.kind == "histogram":
                meter.histogram(metric, Histogram(metric.buckets), *labels)
            elif metric.kind == "counter":
                meter.total(metric, 1, *labels)
            elif metric is not m.PROCESS_UP:  # that is the supervisor's word
                meter.gauge(metric, 1, *labels)

    child.measure(measure)
    while not child.stopping:
        child.beat(True, "working")
        child.wait(0.02)


def shows_start(child: Child) -> None:
    """Says where it would start."""
    while not child.stopping:
        child.beat(True, type(child.task.config.source.start).__name__)
        child.wait(0.02)


def finds(child: Child) -> None:
    """A hub with the partitions that `source.topic` names, between dots."""
    child.result({"partitions": child.task.config.source.topic.split("."), "topics": None})


def finds_no_place(child: Child) -> None:
    """As `finds`, of which some cannot be shared."""
    found = child.task.config.source.topic.split(".")
    child.result({"partitions": found, "topics": None, "no_place": "topic 'p' is small."})


def finds_none(child: Child) -> None:
    child.result({"partitions": [], "topics": None})


def finds_trouble(child: Child) -> None:
    child.result({"trouble": "hub h: connection lost"})


def refused_if_new(child: Child) -> None:
    """Partitions 0 and 1 work; others are refused."""
    if child.task.slot not in ("0", "1"):
        raise Refused("amqp:not-found: the consumer group is not there yet")
    works(child)


def asks_by_topic(child: Child) -> None:
    """A discovery of a hub with partition 0, that does what `source.topic` says."""
    topic = child.task.config.source.topic
    if topic == "refused":
        raise Refused("hub h: amqp:unauthorized-access: wrong key")
    if topic == "broken":
        raise RuntimeError("boom")
    while topic == "silent" and not child.stopping:
        child.beat(False, "no answer from hub h")
        child.wait(0.02)
    child.result({"partitions": ["0"], "topics": None})


def reads_by_topic(child: Child) -> None:
    if child.task.config.source.topic == "refused later":
        raise Refused("amqp:not-found: no such consumer group")
    while not child.stopping:
        child.beat(True, child.task.config.source.topic)
        child.wait(0.02)


def cannot_save(child: Child) -> None:
    """Ends when asked to, and loses its position by that."""
    while not child.stopping:
        child.beat(True, "working")
        child.wait(0.02)
    child.unsaved("the last checkpoint is not written (Kafka has not answered)")


def crashes_without_saving(child: Child) -> None:
    """The first time; then it works."""
    if child.task.facts.get("first"):
        child.unsaved("7 records are not acknowledged by Kafka")
        raise RuntimeError("boom")
    works(child)


def is_displaced_once_ready(child: Child) -> None:
    child.beat(True, "working")
    raise Displaced("another process has this place")
