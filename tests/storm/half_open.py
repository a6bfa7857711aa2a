"""`python -m tests.storm.half_open`: all connections of `ingest run` fall silent at once, under load, and no end is told.

New connections pass. Prints one line of JSON; exits 1 when a kind of link is away for more than 90 s, when /readyz does not
tell of one, or when something is lost.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faults.ingest_process import write_config
from tests.faults.sink_rig import SinkRig
from tests.faults.telemetry import Feeder, Topic
from tests.services.kafka import KafkaCluster
from tests.services.ports import ReservedPort
from tests.services.swallowing import SwallowingProxy
from tests.storm import load, outages

_BOUND_SECONDS = 90.0
_DRAIN_SECONDS = 240.0
_DEVICES = [f"dev-{number}" for number in range(15)]
_PARTS = ("telemetry", "commands", "feedback", "Kafka")


def main() -> int:
    """0 when every link was told of and back in time, and nothing was lost; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.half_open", description=__doc__)
    parser.add_argument("--transport", choices=["fast", "sdk"], default="fast")
    parser.add_argument("--rate", type=int, default=300, help="events/s")
    parser.add_argument(
        "--again", type=float, default=0.0, help="seconds until all fall silent a second time; 0: never"
    )
    parser.add_argument("--watch", type=float, default=120.0, help="seconds to look at it after the last time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="half-open-") as folder:
        result = storm(Path(folder), options)
    print(json.dumps(result))
    return 1 if result["problems"] else 0


def storm(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """`problems` are empty when all is well. Seconds are counted from the last time that all fell silent."""
    with ExitStack() as stack:
        port = ReservedPort()
        stack.callback(port.close)
        kafka = stack.enter_context(KafkaCluster(proxied_at=port.address))
        rig = stack.enter_context(SinkRig(folder / "service", kafka.bootstrap, command="run"))
        topic = stack.enter_context(Topic(kafka.bootstrap, name=f"{rig.topics.name}.telemetry"))
        config = rig.basic_config()
        events_at, rest = _split(str(config["hub"]["event_hub_connection_string"]), "Endpoint=sb://")
        commands_at, key = _split(str(config["hub"]["iot_hub_connection_string"]), "HostName=")
        events = stack.enter_context(SwallowingProxy(events_at))
        commands = stack.enter_context(SwallowingProxy(f"{commands_at}:5671"))
        proxies = [events, commands, stack.enter_context(SwallowingProxy(kafka.behind_proxy, port=port.number))]
        write_config(
            rig.sink.config,
            config,
            {
                "hub": {
                    "event_hub_connection_string": f"Endpoint=sb://{events.address};{rest}",
                    "iot_hub_connection_string": f"HostName={commands_at}:{commands.port};{key}",
                },
                "kafka": {"bootstrap_servers": port.address},
                "source": {"transport": options.transport},
                "sink": {"ack": "full", "sends_per_second": 500},
            },
        )
        feeder = Feeder(rig.hub)
        rig.sink.start()
        rig.sink.wait_ready()
        loads = [load.telemetry(feeder, ("0", "1"), options.rate), load.commands(rig.topics, _DEVICES)]
        for each in loads:
            each.start()
        samples: list[outages.Sample] = []
        _watch(rig, topic, samples, 15.0)
        swallowed = []
        for pause in filter(None, (options.again, options.watch)):
            swallowed.append([proxy.swallow() for proxy in proxies])
            struck = time.monotonic()
            print(f"swallowed: {swallowed[-1]}", file=sys.stderr, flush=True)
            _watch(rig, topic, samples, pause)
        for each in loads:
            each.finish()
        problems = _drained(rig, topic, feeder)
        code = rig.sink.close()
        back = {kind: outages.back_after(samples, kind, struck) for kind in outages.KINDS}
        told = outages.told(samples, struck - (options.again or 0.0))
        problems += [f"{kind}: not back" for kind, seconds in back.items() if seconds is None]
        problems += [
            f"{kind}: back after {seconds:.0f} s" for kind, seconds in back.items() if (seconds or 0) > _BOUND_SECONDS
        ]
        problems += [f"{part}: /readyz did not tell it" for part in _PARTS if part not in told]
        received = rig.received()
        return {
            "transport": options.transport,
            "connections_swallowed": swallowed,
            "told": told,
            "back": back,
            "ready_again": outages.ready_after(samples, struck),
            "events": sum(feeder.sent.values()),
            "events_missing": topic.missing(feeder.sent),
            "events_repeated": topic.repeats,
            "commands": sum(rig.topics.sent.values()),
            "commands_missing": received.missing(rig.topics.sent),
            "commands_repeated": received.repeats,
            "command_dead_letters": rig.topics.dead_letters(),
            "exit_code": code,
            "problems": problems,
        }


def _split(connection_string: str, first: str) -> tuple[str, str]:
    """The address at its beginning, and what follows it."""
    address, _, rest = connection_string.removeprefix(first).partition(";")
    return address.rstrip("/"), rest


def _watch(rig: SinkRig, topic: Topic, samples: list[outages.Sample], seconds: float) -> None:
    """Adds some samples a second: a link that was found to be dead is open again in less than one."""
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        topic.poll(0.2)
        rig.topics.feedback.read_more(0.0)
        arrived = {
            "telemetry": topic.distinct,
            "commands": rig.hub.stats().c2d.accepted,
            "feedback": len(rig.topics.feedback.letters),
        }
        status, text = rig.sink.readyz()
        reasons = tuple(text.splitlines()) if status != 200 else ()
        if not samples or reasons != samples[-1].reasons:
            print(f"{now:.0f} s: {arrived} {reasons or 'ready'}", file=sys.stderr, flush=True)
        samples.append(outages.Sample(now, arrived, reasons))


def _drained(rig: SinkRig, topic: Topic, feeder: Feeder) -> list[str]:
    """Waits for all that was sent; what is wrong with it."""
    problems = []
    for check in (
        lambda: topic.read(feeder.sent, _DRAIN_SECONDS),
        lambda: topic.check(feeder.sent),
        lambda: rig.wait_received(seconds=_DRAIN_SECONDS),
    ):
        try:
            check()
        except AssertionError as error:
            problems.append(str(error))
    return problems


if __name__ == "__main__":
    raise SystemExit(main())
