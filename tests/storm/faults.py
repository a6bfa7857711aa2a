"""`python -m tests.storm.faults`: `ingest run` under load and faults of all kinds; nothing may be lost or go back."""

import argparse
import itertools
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faults.ingest_process import write_config
from tests.faults.sink_rig import SinkRig
from tests.faults.stock_store import StockStore
from tests.faults.telemetry import Feeder, Topic
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.storm import load
from tests.storm.strikes import Strikes

_DRAIN_SECONDS = 240.0
_EXPECTED = ("69", str(-signal.SIGHUP), str(-signal.SIGTERM))
"""How a service may end by itself: refused by the hub, or by a signal that came before it listened to any."""
"""A start that the hub or Kafka refuses."""
_DEVICES = [f"dev-{number}" for number in range(10)]


def main() -> int:
    """0 when nothing was lost, out of order or backwards; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--transport", choices=["fast", "sdk"], default="fast")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=400, help="events/s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        result = storm(Path(folder), options)
    for name, value in result.items():
        print(f"{name}: {value}")
    print(json.dumps(result))
    return 1 if result["problems"] else 0


def storm(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Runs for `options.minutes` and drains; `problems` are empty when all is well."""
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaCluster(options.brokers))
        blob = stack.enter_context(Azurite())
        rig = stack.enter_context(SinkRig(folder / "service", kafka.bootstrap, command="run"))
        topic = stack.enter_context(Topic(kafka.bootstrap, name=f"{rig.topics.name}.telemetry"))
        store = stack.enter_context(StockStore(rig.hub, blob.connection_string))
        paces = itertools.cycle((500, 400))

        def configure() -> None:
            place = {"store": "blob", "blob_connection_string": blob.connection_string, "container": store.container}
            write_config(
                rig.sink.config,
                {section: keys for section, keys in rig.basic_config().items() if section != "checkpoints"},
                {"checkpoints": {**place, "interval_seconds": 1}},
                {"source": {"transport": options.transport}},
                {"sink": {"ack": "full", "sends_per_second": next(paces)}},
            )

        configure()
        strikes = Strikes(rig, kafka, options.brokers, blob, configure, options.seed)
        feeder, watch = Feeder(rig.hub), load.CheckpointWatch(store.lowest_sequence_numbers)
        loads = [
            load.telemetry(feeder, ("0", "1"), options.rate),
            load.commands(rig.topics, _DEVICES),
            watch.thread,
        ]
        rig.sink.start()
        rig.sink.wait_ready()
        for each in loads:
            each.start()
        end = time.monotonic() + options.minutes * 60
        while time.monotonic() < end:
            strikes.revive()
            kind = strikes.choose()
            print(f"{end - time.monotonic():4.0f} s left: {kind}", file=sys.stderr, flush=True)
            strikes.strike(kind)
            strikes.pause()
        for each in loads[:2]:
            each.finish()
        strikes.revive()
        problems = load.drained(rig, topic, feeder, _DRAIN_SECONDS)
        watch.thread.finish()
        problems += watch.backwards
        problems += [f"the service ended by itself with {code}" for code in strikes.ends if code not in _EXPECTED]
        received = rig.received()
        code = rig.sink.close()
        return {
            "seed": options.seed,
            "transport": options.transport,
            "events": sum(feeder.sent.values()),
            "events_missing": topic.missing(feeder.sent),
            "events_repeated": topic.repeats,
            "commands": sum(rig.topics.sent.values()),
            "commands_missing": received.missing(rig.topics.sent),
            "commands_repeated": received.repeats,
            "command_dead_letters": rig.topics.dead_letters(),
            "checkpoint_looks": watch.looks,
            "faults": dict(strikes.counts),
            "exits_after_sigterm": {**strikes.exits, "at the end": code},
            "ends_by_itself": dict(strikes.ends),
            "problems": problems,
        }


if __name__ == "__main__":
    raise SystemExit(main())
