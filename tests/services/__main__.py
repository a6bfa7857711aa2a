"""`python -m tests.services up`: Apache Kafka and Azurite until SIGTERM. `install`: only fetch what they need."""

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from types import FrameType

from tests.migrate import worker
from tests.services import (
    ServiceError,
    broker_classes,
    javascript,
    kafka_jars,
    prerequisites,
    processors,
    prometheus_programs,
    registry,
    tinyproxy,
)
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster


class _Stop(BaseException):
    """SIGTERM or SIGINT; unwinds whatever is being started."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stop


class Say:
    """Progress on standard error, unless told to be quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, sentence: str) -> None:
        if not self._quiet:
            print(sentence, file=sys.stderr, flush=True)


def install(say: Say) -> None:
    """Fetch what `up` runs, where it is missing: Java and Maven, Kafka's jar files, Azurite."""
    prerequisites.java()
    say("Fetching Apache Kafka, if it is not there yet.")
    kafka_jars.ensure()
    kafka_jars.ensure_console()
    broker_classes.ensure()
    say("Fetching Azurite and the JavaScript clients, if they are not there yet.")
    javascript.ensure()


def install_all(say: Say) -> None:
    """Fetch what the tests use besides, too: systemd's checker of units, Chromium, Prometheus, tinyproxy, processors."""
    install(say)
    prerequisites.systemd_analyze()
    prerequisites.chromium()
    say("Fetching Prometheus, if it is not there yet.")
    prometheus_programs.ensure()
    say("Fetching the proxy tinyproxy, if it is not there yet.")
    tinyproxy.ensure()
    say("Fetching and compiling the event processors in Java and Go, if they are not there yet.")
    processors.java_processor()
    processors.go_processor()
    say("Fetching Apicurio's schema registry, if it is not there yet.")
    registry.ensure()
    say("Fetching Kafka's own Connect worker, if it is not there yet.")
    worker.classes()


def up(brokers: int, with_parent: bool, say: Say) -> None:
    """Run both services until a signal comes; a broker or store that is killed is started again, with its port."""
    parent = os.getppid()
    install(say)
    with ExitStack() as services:
        say(f"Starting Apache Kafka ({brokers} broker{'s' if brokers > 1 else ''}) and Azurite.")
        kafka = services.enter_context(KafkaCluster(brokers))
        azurite = services.enter_context(Azurite())
        print(json.dumps({"kafka": kafka.bootstrap, "blob": azurite.connection_string}), flush=True)
        pause = threading.Event()
        while not (with_parent and os.getppid() != parent):
            for broker, status in kafka.poll().items():
                say(f"Kafka broker {broker} ended with status {status}: starting it again.")
                kafka.restart(broker)
            if (ending := azurite.poll()) is not None:
                say(f"Azurite ended with status {ending}: starting it again, empty.")
                azurite.restart()
            pause.wait(0.5)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.services", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser(
        "install", help="fetch what is missing: Java, Maven, Kafka, Azurite, the clients in other languages, Prometheus"
    )
    start = verbs.add_parser("up", help="start both, print one JSON line when both answer, stop on SIGTERM")
    start.add_argument("--brokers", type=int, default=1, metavar="N", help="Kafka brokers (default 1)")
    start.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    start.add_argument("--with-parent", action="store_true", help="stop also when the process that started this ends")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        if options.verb == "install":
            install_all(Say(quiet=False))
        else:
            if options.brokers < 1:
                parser.error(f"--brokers {options.brokers}: at least 1.")
            up(options.brokers, options.with_parent, Say(quiet=options.json))
    except _Stop:
        return 0
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
