"""One storm: a hub, Kafka, a store and `ingest source`, each a process of its own; faults of all kinds; and a count."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Literal, TypeVar

from tests.faults.conftest import basic_config
from tests.faults.ingest_process import write_config
from tests.services import ROOT
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.services.swallowing import SwallowingProxy
from tests.storm import checkpoints, load, plan
from tests.storm.acts import Acts
from tests.storm.hub import HubProcess, hub_process
from tests.storm.reader import Reader
from tests.storm.service import Service

_T = TypeVar("_T")
Delivery = Literal["at_least_once", "exactly_once"]
PARTITIONS = 4
_QUIET_SECONDS = 60.0
"""Without any new event, when no fault is left: twice as long as a partition may be silent."""
_PACE_EVENTS = 500
_PACE_SECONDS = 0.02
_AFTER_THE_FACT_SECONDS = 300.0
_EXPECTED_ENDS = ("69",)
"""How a service may end by itself: its first start is refused while the hub or Kafka refuses everybody."""
_EXPECTED_EXITS = ("0", str(-signal.SIGTERM))
"""How it may end after SIGTERM: also before Python itself runs, right after a start."""
_BEFORE_SECONDS = 600.0
"""No event is older than the storm by more."""
_SEVERAL_BROKERS = {"transaction.state.log.min.isr": "2"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What storm it is."""

    seed: int = 1
    delivery: Delivery = "at_least_once"
    events: int = 1_000_000
    seconds: float = plan.FULL_SECONDS
    """How long the devices send, and faults begin."""
    devices: int = 200
    brokers: int = 3
    store: Literal["blob", "file"] = "blob"
    transport: Literal["fast", "sdk"] = "fast"
    interval_seconds: float = 5.0
    """From one checkpoint to the next."""
    counts: Mapping[str, int] = field(default_factory=lambda: plan.FULL)
    """Kind of fault → how often it strikes."""
    paced: bool = False
    """Whether a fault waits for new events since the last one of its lane instead of its time, and the devices send at
    the same pace until the last one: so each strikes while events flow, however slow the machine."""
    audits: bool = True
    """Whether `ingest audit` looks at the topic, too."""

    def faults(self) -> list[plan.Fault]:
        lacking = [
            lane for lane, there in (("store", self.store == "blob"), ("brokers", self.brokers > 1)) if not there
        ]
        counts = {kind: count for kind, count in self.counts.items() if plan.KINDS[kind].lane not in lacking}
        return plan.plan(self.seed, self.seconds, counts)


def storm(
    folder: Path, settings: Settings, kafka: KafkaCluster | None = None, blob: Azurite | None = None
) -> dict[str, object]:
    """Runs it and counts. `problems` are empty when all is well. `kafka`, `blob`: what is there already; others need it, so
    `settings` must not strike it."""
    with ExitStack() as stack:
        cluster = kafka or stack.enter_context(KafkaCluster(settings.brokers, _SEVERAL_BROKERS))
        if settings.store == "blob":
            blob = blob or stack.enter_context(Azurite(keep_data=True))
        hub = stack.enter_context(
            hub_process(
                partitions=PARTITIONS,
                devices=settings.devices,
                seed=settings.seed,
                rate=settings.events / settings.seconds,
                events=0 if settings.paced else settings.events,
            )
        )
        endpoint, _, keys = str(hub.told["event_hub_connection_string"]).removeprefix("Endpoint=sb://").partition(";")
        proxy = stack.enter_context(SwallowingProxy(endpoint))
        topic = f"storm-{uuid.uuid4().hex}"
        place: dict[str, object] = {"store": "file", "path": str(folder / "checkpoints")}
        look = checkpoints.in_folder(folder / "checkpoints")
        if settings.store == "blob" and blob is not None:
            place = {"store": "blob", "blob_connection_string": blob.connection_string, "container": topic}
            look = checkpoints.in_container(blob.connection_string, topic)

        def configure(path: Path) -> None:
            basic = basic_config(folder, f"Endpoint=sb://{proxy.address};{keys}", cluster.bootstrap, topic)
            source: dict[str, object] = {"stall_seconds": 20, "transport": settings.transport}
            if settings.delivery == "exactly_once":
                source |= {"delivery": "exactly_once", "position_topic": f"{topic}.positions"}
            store = {"checkpoints": {**place, "interval_seconds": settings.interval_seconds}}
            write_config(path, {**basic, "checkpoints": {}}, store, {"source": source})
            path.chmod(0o600)

        service = stack.enter_context(Service(folder, configure))
        _make_topics(service.main.config)
        reader, watch = Reader(cluster.bootstrap, topic), load.CheckpointWatch(look)
        reader.start()
        watch.thread.start()
        service.start()
        acts = Acts(service, hub, proxy, cluster, settings.brokers, blob)
        return _Storm(settings, service, hub, acts, reader, watch).run(cluster.bootstrap, topic)


def _make_topics(config: Path) -> None:
    command = [sys.executable, "-m", "ingest", "topics", "create", "-c", str(config)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


class _Storm:
    """From the first fault to the last count."""

    def __init__(
        self,
        settings: Settings,
        service: Service,
        hub: HubProcess,
        acts: Acts,
        reader: Reader,
        watch: load.CheckpointWatch,
    ) -> None:
        self._settings = settings
        self._service = service
        self._hub = hub
        self._acts = acts
        self._reader = reader
        self._watch = watch
        self._began, self._began_at = time.monotonic(), time.time() - _BEFORE_SECONDS
        self._struck: list[tuple[float, str]] = []
        self._problems: list[str] = []

    def run(self, bootstrap: str, topic: str) -> dict[str, object]:
        service = self._service
        self._try(service.wait_ready)
        self._hub.begin()
        self._began = time.monotonic()
        self._strike_all()
        self._hub.clear()
        sent: dict[str, int] = {}
        self._try(lambda: sent.update(self._hub.stop() if self._settings.paced else self._hub.finish()))
        calm = time.monotonic()
        self._try(lambda: self._drain(sent))
        drained = time.monotonic() - calm
        self._try(service.wait_ready)
        gaps = self._try(partial(service.main.metric, "source_sequence_gaps_total"))
        self._try(service.close)
        self._watch.thread.finish()
        self._reader.finish()
        after = Reader(bootstrap, topic)
        self._try(lambda: after.read_to_end(_AFTER_THE_FACT_SECONDS))
        audited = self._try(self._ask_audit) if self._settings.audits else None
        audit = after.audit
        self._judge(sent, after, gaps)
        self._compare(after, audited)
        return {
            "delivery": self._settings.delivery,
            "seed": self._settings.seed,
            "store": self._settings.store,
            "transport": self._settings.transport,
            "seconds": round(time.monotonic() - self._began, 1),
            "drained_after_seconds": round(drained, 1),
            "events": sum(sent.values()),
            "records": audit.records,
            "lost": audit.missing(sent),
            "repeated": audit.duplicated,
            "out_of_order": audit.out_of_order,
            **{name: self._acts.counts[name] for name in sorted(self._acts.counts)},
            "longest_silence_seconds": {key: round(value, 1) for key, value in sorted(self._reader.silences.items())},
            "ingest_audit": audited,
            "ends_by_itself": dict(service.ends),
            "exits_after_sigterm": dict(service.exits),
            "looks_at_checkpoints": self._watch.looks,
            "faults": [f"{at:.1f} s: {what}" for at, what in self._struck],
            "problems": self._problems,
        }

    def _strike_all(self) -> None:
        faults = sorted(self._settings.faults(), key=attrgetter("lane"))
        lanes = {lane: list(each) for lane, each in groupby(faults, key=attrgetter("lane"))}
        # Only this thread starts and stops the service.
        others = [
            threading.Thread(target=self._lane, args=(lane, lanes[lane], time.sleep), name=lane, daemon=True)
            for lane in lanes
            if lane != "node"
        ]
        for thread in others:
            thread.start()
        self._lane("node", lanes.get("node", []), self._service.wait)
        while any(thread.is_alive() for thread in others):
            self._service.wait(0.2)

    def _lane(self, name: str, faults: list[plan.Fault], wait: Callable[[float], None]) -> None:
        chosen = random.Random(f"{self._settings.seed} {name}")
        for fault in faults:
            self._await_turn(fault, wait)
            what = f"{fault.kind}, {fault.seconds:.1f} s" if fault.seconds else fault.kind
            self._say(what)
            self._try(partial(self._acts.of[fault.kind], fault.seconds, chosen))

    def _await_turn(self, fault: plan.Fault, wait: Callable[[float], None]) -> None:
        if not self._settings.paced:
            wait(max(0.0, self._began + fault.at - time.monotonic()))
            return
        enough, end = self._reader.audit.arrived + _PACE_EVENTS, time.monotonic() + _QUIET_SECONDS
        while self._reader.audit.arrived < enough and time.monotonic() < end:
            wait(_PACE_SECONDS)

    def _say(self, what: str) -> None:
        at = time.monotonic() - self._began
        self._struck.append((at, what))
        sys.stderr.write(
            f"{at:6.1f} s  {self._reader.audit.arrived:8d} events  {what}\n"
        )  # threads: one write for each line
        sys.stderr.flush()

    def _drain(self, sent: Mapping[str, int]) -> None:
        """Until all has come, or nothing comes any more. Raises AssertionError if something is missing then."""
        audit, wanted = self._reader.audit, sum(sent.values())
        came, end = audit.arrived, time.monotonic() + _QUIET_SECONDS
        while audit.arrived < wanted and time.monotonic() < end:
            self._service.wait(0.1)
            if audit.arrived > came:
                came, end = audit.arrived, time.monotonic() + _QUIET_SECONDS
        assert audit.arrived >= wanted, f"{wanted - audit.arrived} events do not come in {_QUIET_SECONDS:g} s of peace"

    def _ask_audit(self) -> dict[str, object]:
        """Returns what `ingest audit` counts."""
        # Later than every event: the last of a stretch is part of it.
        begin, end = (datetime.fromtimestamp(at, UTC).isoformat() for at in (self._began_at, time.time() + 60))
        command = [sys.executable, "-m", "ingest", "audit", "-c", str(self._service.main.config), "--json"]
        ran = subprocess.run([*command, "--from", begin, "--to", end], cwd=ROOT, capture_output=True, text=True)
        try:
            found: dict[str, object] = json.loads(ran.stdout)
        except ValueError:
            raise AssertionError(f"ingest audit ended with {ran.returncode}: {ran.stderr[-500:]}") from None
        return {name: found[name] for name in ("present", "missing", "repeated", "out_of_order", "certain", "notes")}

    def _compare(self, reader: Reader, audited: Mapping[str, object] | None) -> None:
        """Whoever counts devices' numbers and whoever counts the hub's must come to the same."""
        mine = {"present": reader.audit.arrived, "repeated": reader.audit.duplicated, "missing": 0, "certain": True}
        for name, value in mine.items():
            if audited is not None and audited[name] != value:
                self._problem(f"ingest audit says {name}: {audited[name]}; the reader: {value}")

    def _try(self, act: Callable[[], _T]) -> _T | None:
        """Returns what `act` does. What goes wrong is a problem, and the storm goes on."""
        try:
            return act()
        except Exception as error:
            self._problem(f"{type(error).__name__}: {error}")
            return None

    def _problem(self, words: str) -> None:
        self._problems.append(words)
        self._say(f"PROBLEM: {words}")

    def _judge(self, sent: Mapping[str, int], reader: Reader, gaps: float | None) -> None:
        audit, once = reader.audit, self._settings.delivery == "exactly_once"
        lost, wanted = audit.missing(sent), sum(sent.values())
        strange = audit.arrived + lost - wanted + audit.unreadable
        found = [
            (lost, f"{lost} events are lost, such as {audit.missing_examples(sent, 5)}"),
            (strange, f"{strange} records are of no event that a device has sent"),
            (audit.out_of_order, f"{audit.out_of_order} events are out of order"),
            (audit.duplicated if once else 0, f"{audit.duplicated} events are repeated"),
            (gaps, f"the service has counted {gaps} gaps in sequence numbers"),
            (not wanted, "no event was sent"),
        ]
        problems = [words for wrong, words in found if wrong] + self._watch.backwards
        problems += [
            f"a service ended with {code} after SIGTERM: {said}"
            for code, said in self._service.last_words.items()
            if code not in _EXPECTED_EXITS
        ]
        problems += [f"a service ended by itself with {end}" for end in self._service.ends if end not in _EXPECTED_ENDS]
        for words in [*problems, *dict.fromkeys(reader.errors + self._reader.errors)]:
            self._problem(words)
