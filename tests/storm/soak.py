"""`python -m tests.storm.soak`: `ingest run` under load while all links are cut every few seconds; nothing may grow.

The first minutes are not judged. A child shares the fork server's memory until it writes to a page of it, which the first
run of each piece of code does, if only to count references; and OpenSSL, for one, makes tables at its first use that it keeps.
That is some 3 MiB per process, once: 1.0 to 1.5 of them with the first link that ends before it is up, when the sinks and the
feedback process look into TLS themselves. So that all of it happens in those minutes, links are cut more often then, and while
the hub answers slowly, at first.
"""

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.faults.ingest_process import write_config
from tests.faults.sink_rig import SinkRig
from tests.faults.telemetry import Feeder, Topic
from tests.services.kafka import KafkaCluster
from tests.storm import load
from tests.storm.growth import Growth

_DRAIN_SECONDS = 120.0
_SLOW_SHARE = 0.3
"""Of the warm-up."""
_SLOW_ROUND_TRIP_SECONDS = 1.0
"""A link is up after several; cuts meet it before."""
_DEVICES = [f"dev-{number}" for number in range(10)]


def main() -> int:
    """0 when nothing grew and nothing was lost; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--warm-up", type=float, default=5.0, help="minutes that are not judged")
    parser.add_argument("--warm-up-cut-seconds", type=float, default=2.0, help="--cut-seconds in those minutes")
    parser.add_argument("--cut-seconds", type=float, default=10.0, help="from one cut of all links to the next")
    parser.add_argument("--kib-per-minute", type=float, default=50.0, help="growth of a process's memory (USS)")
    parser.add_argument("--transport", choices=["fast", "sdk"], default="fast")
    parser.add_argument("--rate", type=int, default=200, help="events/s")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where configuration and log of the service stay")
    options = parser.parse_args()
    growth = Growth(options.warm_up)
    with _folder(options.keep) as folder:
        result = soak(folder, options, growth)
    print(growth.table())
    for name, value in result.items():
        print(f"{name}: {value}")
    print(json.dumps(result))
    return 1 if result["problems"] else 0


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """`kept`, made if it is not there; else a folder that goes when it is left."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
    else:
        with tempfile.TemporaryDirectory(prefix="soak-") as made:
            yield Path(made)


def soak(folder: Path, options: argparse.Namespace, growth: Growth) -> dict[str, object]:
    """Runs for `options.minutes` and drains; `problems` are empty when all is well."""
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaCluster(1))
        rig = stack.enter_context(SinkRig(folder / "service", kafka.bootstrap, command="run"))
        topic = stack.enter_context(Topic(kafka.bootstrap, name=f"{rig.topics.name}.telemetry"))
        write_config(
            rig.sink.config,
            rig.basic_config(),
            {"source": {"transport": options.transport}, "sink": {"ack": "full"}},
        )
        feeder = Feeder(rig.hub)
        loads = [load.telemetry(feeder, ("0", "1"), options.rate), load.commands(rig.topics, _DEVICES)]
        rig.sink.start()
        rig.sink.wait_ready()
        for each in loads:
            each.start()
        times = cut_times(options.minutes, options.warm_up, options.warm_up_cut_seconds, options.cut_seconds)
        slow_seconds = options.warm_up * 60 * _SLOW_SHARE
        cuts = _cut_and_look(rig, times, slow_seconds, options.cut_seconds, growth)
        for each in loads:
            each.finish()
        problems = load.drained(rig, topic, feeder, _DRAIN_SECONDS)
        received = rig.received()
        code = rig.sink.close()
        if code:
            problems.append(f"the service ended with {code} after SIGTERM")
        return {
            "minutes": options.minutes,
            "transport": options.transport,
            "cuts": cuts,
            "events": sum(feeder.sent.values()),
            "events_missing": topic.missing(feeder.sent),
            "events_repeated": topic.repeats,
            "commands": sum(rig.topics.sent.values()),
            "commands_missing": received.missing(rig.topics.sent),
            "commands_repeated": received.repeats,
            "kib_per_minute": growth.slopes(),
            "problems": problems + growth.problems(options.kib_per_minute),
        }


def cut_times(minutes: float, warm_up: float, warm_up_cut_seconds: float, cut_seconds: float) -> Iterator[float]:
    """When to cut, in seconds since the start: at the pace of the warm-up as long as that lasts."""
    at = 0.0
    while (at := at + (warm_up_cut_seconds if at < warm_up * 60 else cut_seconds)) <= minutes * 60:
        yield at


def _cut_and_look(
    rig: SinkRig, times: Iterable[float], slow_seconds: float, look_seconds: float, growth: Growth
) -> int:
    """Cuts all links at these `times`, and every `look_seconds` looks at the processes just before; in the first
    `slow_seconds` the hub answers slowly. Returns the cuts."""
    faults = rig.hub.faults
    faults.delay(_SLOW_ROUND_TRIP_SECONDS)
    forms: list[Callable[[], object]] = [faults.abort, faults.close]
    began, look_at, cuts = time.monotonic(), 0.0, 0
    for at, cut in zip(times, itertools.cycle(forms), strict=False):
        time.sleep(max(0.0, began + at - time.monotonic()))
        if at >= slow_seconds:
            faults.delay(0)
        if at >= look_at:
            look_at = at + look_seconds
            names = {entry["pid"]: str(entry["process"]) for entry in rig.sink.log() if "pid" in entry}
            growth.look([rig.sink.pid, *rig.sink.descendants()], at / 60, names | {rig.sink.pid: "supervisor"})
            print(f"minute {at / 60:.1f}: {growth.slopes()}", file=sys.stderr, flush=True)
        cut()
        cuts += 1
    return cuts


if __name__ == "__main__":
    raise SystemExit(main())
