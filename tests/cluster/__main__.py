"""`python -m tests.cluster`: three nodes and three brokers under load, and everything that can happen to a node.

Prints, for each event, how long it took until all partitions were read again, and how they were spread; at the end what of the
telemetry is lost or repeated. The last line is the same as JSON. As root, each node is in a network of its own, and one is cut
off from everything, too. Not part of the tests: it takes minutes.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from ingest.config import Config
from ingest.emulator import Emulator
from tests.cluster import networks
from tests.cluster.life import EVENTS, Life, Settings
from tests.cluster.nodes import Nodes
from tests.faults.ingest_process import Sections
from tests.faults.telemetry import Topic
from tests.services import javascript, kafka_jars, prerequisites
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

_SHORT_SESSIONS: Final = {"group.min.session.timeout.ms": "1000"}
"""They are allowed."""


def main() -> int:
    """0 when nothing was lost and every take-over was in time; else 1."""
    options = parsed(sys.argv[1:])
    settings = Settings(
        options.coordination,
        options.delivery,
        options.nodes,
        options.partitions,
        options.brokers,
        options.rate,
        options.away_seconds,
        options.settle_seconds,
        options.events,
        options.cuts,
    )
    more: Sections = {}
    if options.session_ms:
        more = {"kafka": {'librdkafka."session.timeout.ms"': options.session_ms}}
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-")))
        folder.mkdir(parents=True, exist_ok=True)
        result = live(settings, folder, more)
    print(json.dumps(result))
    return 1 if result["problems"] else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options. Exits if they are wrong."""
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=defaults.nodes)
    parser.add_argument("--partitions", type=int, default=defaults.partitions)
    parser.add_argument("--brokers", type=int, default=defaults.brokers)
    parser.add_argument("--rate", type=int, default=defaults.rate, help="events/s")
    parser.add_argument(
        "--away-seconds", type=float, default=defaults.away_seconds, help="how long a node is frozen, or cut off"
    )
    parser.add_argument(
        "--settle-seconds", type=float, default=defaults.settle_seconds, help="after each event, before the next"
    )
    parser.add_argument("--delivery", choices=["at_least_once", "exactly_once"], default=defaults.delivery)
    parser.add_argument("--coordination", choices=["kafka", "blob"], default=defaults.coordination)
    parser.add_argument("--events", nargs="+", choices=EVENTS, default=EVENTS, metavar="EVENT", help=", ".join(EVENTS))
    parser.add_argument(
        "--cuts",
        nargs="+",
        choices=list(networks.CUTS),
        default=defaults.cuts,
        metavar="KIND",
        help="how a node is cut off: " + ", ".join(networks.CUTS),
    )
    parser.add_argument(
        "--session-ms", type=int, metavar="MS", help="session of the group of nodes (default: ingest's own)"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where configurations and logs stay")
    return parser.parse_args(arguments)


def live(settings: Settings, folder: Path, more: Sections) -> dict[str, object]:
    """Returns what happened. `more`: configuration of all nodes. Enters a network of its own, where it can."""
    lack = networks.lacking()
    left_out = [f"no node is cut off from the network, as {lack}"] if lack and "cut" in settings.events else []
    for line in left_out:
        print(f"Left out: {line}.", flush=True)
    # While the way out is open.
    kafka_jars.ensure()
    prerequisites.java()
    if settings.coordination == "blob":
        javascript.ensure()
    if not lack:
        networks.enter()
    host = "127.0.0.1" if lack else networks.ADDRESS
    with ExitStack() as stack:
        # Brokers that optimize their code for minutes take the cores that they share with the nodes.
        kafka = stack.enter_context(KafkaCluster(settings.brokers, _SHORT_SESSIONS, host=host, short_lived=True))
        hub = stack.enter_context(Emulator(partitions=settings.partitions, host=host))
        # For each broker one to lead: more of them are more requests, and prove no more.
        topic = stack.enter_context(Topic(kafka.bootstrap, partitions=max(2, settings.brokers)))
        # The defaults, where other tests are in a hurry: 32 partitions would write 64 checkpoints a second.
        defaults = Config()
        layer: dict[str, dict[str, object]] = {
            "source": {"delivery": settings.delivery, "stall_seconds": defaults.source.stall_seconds},
            "checkpoints": {"interval_seconds": defaults.checkpoints.interval_seconds},
        }
        if settings.coordination == "blob":
            store = stack.enter_context(Azurite(host=host))
            layer["cluster"] = {"coordination": "blob"}
            layer["checkpoints"] |= {"store": "blob", "blob_connection_string": store.connection_string}
        nodes = stack.enter_context(Nodes(folder, hub, kafka.bootstrap, topic.name, layer, more, networks=not lack))
        life = Life(settings, kafka, hub, topic, nodes)
        life.live()
        return {**life.result(), "left_out": left_out}


if __name__ == "__main__":
    sys.exit(main())
