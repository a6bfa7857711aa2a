"""`python -m bench.scale.idle`: what coordination costs nodes that receive nothing, as a table.

One node, then two, share the partitions; each coordination takes its turn. CPU is the processes' own; requests are counted by
proxies in front of Kafka and of Blob Storage (Azurite), which checkpoints are kept in, whatever the coordination.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from bench.counting import CountingProxy, HttpRequests, KafkaRequests
from bench.hub import HubProcess
from ingest.kafka.admin import TopicSpec, create_topics
from tests.faults.ingest_process import IngestProcess, Sections, write_config
from tests.faults.waiting import wait_until
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.services.ports import ReservedPort

COORDINATIONS: Final = ("none", "kafka", "blob")
NODES: Final = (1, 2)
PARTITION_CLIENTS: Final = "ingest-source-"
"""How the names of a partition process's clients begin; all others are the group's."""
_SETTLE_SECONDS = 20.0
"""Until joining, warming up and the first questions are over."""
_START_SECONDS = 180.0
_COLUMNS = (
    "nodes",
    "`coordination`",
    "service: CPU of a core",
    "its partition processes, all",
    "requests to Kafka per node and hour",
    "of these the group's",
    "requests to Blob Storage per node and hour",
)


class Proxies(NamedTuple):
    kafka: CountingProxy
    blob: CountingProxy


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale.idle", description=__doc__)
    parser.add_argument("--partitions", type=int, default=32)
    parser.add_argument("--nodes", type=int, nargs="+", default=NODES)
    parser.add_argument("--coordination", nargs="+", choices=COORDINATIONS, default=COORDINATIONS)
    parser.add_argument("--seconds", type=float, default=120.0, help="to look at each")
    options = parser.parse_args()
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idle-")))
        port = ReservedPort()
        stack.callback(port.close)
        kafka = stack.enter_context(KafkaCluster(proxied_at=port.address))
        blob = stack.enter_context(Azurite())
        proxies = Proxies(
            stack.enter_context(CountingProxy(kafka.behind_proxy, KafkaRequests, port=port.number)),
            stack.enter_context(CountingProxy(blob.address, HttpRequests)),
        )
        store = blob.connection_string_through(proxies.blob.address)
        for nodes in options.nodes:
            for coordination in options.coordination:
                place = folder / f"{coordination}-{nodes}"
                place.mkdir()
                with HubProcess("--partitions", str(options.partitions)) as hub, ExitStack() as running:
                    topic = f"idle-{coordination}-{nodes}"
                    specs = [TopicSpec(topic, 4, -1), TopicSpec(f"{topic}.positions", options.partitions, -1)]
                    create_topics(kafka.bootstrap, {}, specs, _START_SECONDS)
                    names = [str(number) for number in range(options.partitions)]
                    divided = coordination == "none" and nodes > 1
                    shares = [names[each::nodes] if divided else [] for each in range(nodes)]
                    config = configuration(hub, port.address, store, topic, coordination)
                    sources = [running.enter_context(source) for source in started(place, config, shares)]
                    row = look(sources, proxies, options.partitions, coordination, options.seconds)
                    print(f"| {nodes} | {coordination} | {' | '.join(row)} |", flush=True)


def configuration(hub: HubProcess, kafka: str, store: str, topic: str, coordination: str) -> Sections:
    return {
        "hub": {"event_hub_connection_string": hub.event_hub_tls, "ca_file": hub.ca_file},
        "source": {"topic": topic, "dead_letter_topic": f"{topic}.dead", "position_topic": f"{topic}.positions"},
        "checkpoints": {"store": "blob", "blob_connection_string": store, "container": topic},
        "cluster": {"coordination": coordination},
        "kafka": {"bootstrap_servers": kafka},
        "metrics": {"port": 0},
        "service": {"log_format": "json"},
    }


def started(place: Path, config: Sections, shares: list[list[str]]) -> Iterator[IngestProcess]:
    """Yields a node for each of `shares`, the partitions that it is told to read; empty: not told."""
    for number, share in enumerate(shares):
        folder = place / f"node-{number}"
        folder.mkdir()
        node = IngestProcess(folder, "source")
        write_config(node.config, config, {"source": {"partitions": share}} if share else {})
        node.start()
        yield node


def look(nodes: list[IngestProcess], proxies: Proxies, partitions: int, coordination: str, seconds: float) -> list[str]:
    """Returns the figures, of the mean node."""

    def shared() -> bool:
        return all(len(processes(node)[1]) == partitions // len(nodes) for node in nodes)

    for node in nodes:
        node.wait_said("Metrics are served")
    wait_until(shared, lambda: nodes[0].story("the partitions are not shared"), _START_SECONDS)
    for node in nodes:
        node.wait_ready(_START_SECONDS)
    time.sleep(_SETTLE_SECONDS)
    found = [processes(node) for node in nodes]
    cpu = [(cpu_seconds([service]), cpu_seconds(children)) for service, children in found]
    counts = proxies.kafka.counts(), proxies.blob.counts()
    time.sleep(seconds)
    spent = [
        (cpu_seconds([service]) - before[0], cpu_seconds(children) - before[1])
        for (service, children), before in zip(found, cpu, strict=True)
    ]
    asked = proxies.kafka.counts() - counts[0], proxies.blob.counts() - counts[1]
    hourly = 3600 / seconds / len(nodes)
    groups: Counter[str] = Counter()
    for name, count in asked[0].items():
        groups[name.partition(": ")[2]] += 0 if name.startswith(PARTITION_CLIENTS) else count
    for name, found_there in (("the group's", groups), ("to Blob Storage", asked[1])):
        told = ", ".join(f"{what} {count * hourly:,.0f}" for what, count in sorted(found_there.items()) if count)
        print(f"{coordination}, {len(nodes)}: {name}, per node and hour: {told or 'none'}", file=sys.stderr, flush=True)
    return [
        f"{sum(each[0] for each in spent) / len(nodes) / seconds:.2%}",
        f"{sum(each[1] for each in spent) / len(nodes) / seconds:.2%}",
        f"{asked[0].total() * hourly:,.0f}",
        f"{groups.total() * hourly:,.0f}",
        f"{asked[1].total() * hourly:,.0f}",
    ]


def processes(node: IngestProcess) -> tuple[psutil.Process, list[psutil.Process]]:
    """Returns the service, and its partition processes."""
    service = psutil.Process(node.pid)
    return service, [one for one in service.children(recursive=True) if _reads(one)]


def _reads(process: psutil.Process) -> bool:
    try:
        return "source partition" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def cpu_seconds(of: Iterable[psutil.Process]) -> float:
    """Returns user and system, of all together, since their start."""
    return sum(times.user + times.system for times in (one.cpu_times() for one in of))


if __name__ == "__main__":
    main()
