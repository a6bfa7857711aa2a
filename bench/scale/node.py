"""`python -m bench.scale.node [PARTITIONS …]`: what one node takes for partitions that receive little, as a table."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.hub import HubProcess
from tests.faults.ingest_process import IngestProcess, Sections, write_config
from tests.faults.telemetry import Topic
from tests.services.kafka import KafkaCluster

_LOOK_SECONDS = 20.0
_EVENTS_PER_PARTITION = 10
"""In a second."""
_COLUMNS = (
    "partitions",
    "service: CPU of a core",
    "service: files",
    "service: MiB",
    "a partition: CPU of a core, median",
    "files",
    "threads",
    "MiB",
    "series",
    "KiB of /metrics",
)


def row(partitions: int, kafka: KafkaCluster, folder: Path) -> list[str]:
    """A row of the table."""
    options = ("--partitions", str(partitions), "--devices", "1000", "--rate", str(_EVENTS_PER_PARTITION * partitions))
    with HubProcess(*options) as hub, Topic(kafka.bootstrap) as topic, IngestProcess(folder, "source") as source:
        config: Sections = {
            "hub": {"event_hub_connection_string": hub.event_hub_tls, "ca_file": hub.ca_file},
            "source": {"topic": topic.name, "dead_letter_topic": f"{topic.name}.dead"},
            "checkpoints": {"store": "file", "path": str(folder / f"checkpoints-{partitions}")},
            "kafka": {"bootstrap_servers": kafka.bootstrap},
            "metrics": {"port": 0},
            "service": {"log_format": "json"},
        }
        write_config(source.config, config)
        source.start()
        source.wait_said("Metrics are served")
        source.wait_ready(120)
        service = psutil.Process(source.pid)
        children = [one for one in service.children(recursive=True) if "source partition" in " ".join(one.cmdline())]
        assert len(children) == partitions
        before = [_cpu_seconds(one) for one in (service, *children)]
        time.sleep(_LOOK_SECONDS)
        cpu = [(_cpu_seconds(one) - old) / _LOOK_SECONDS for one, old in zip((service, *children), before, strict=True)]
        page = source._get("/metrics")[1]
        series = sum(1 for line in page.splitlines() if line and not line.startswith("#"))
        median = statistics.median
        return [
            str(partitions),
            f"{cpu[0]:.1%}",
            str(service.num_fds()),
            f"{_unique_mib(service):.0f}",
            f"{median(cpu[1:]):.1%}",
            f"{median(one.num_fds() for one in children):.0f}",
            f"{median(one.num_threads() for one in children):.0f}",
            f"{median(map(_unique_mib, children)):.1f}",
            f"{series:,}",
            f"{len(page) / 1024:.0f}",
        ]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _unique_mib(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss) / (1 << 20)


def main(sizes: list[int]) -> None:
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    with KafkaCluster(short_lived=True) as kafka, tempfile.TemporaryDirectory() as folder:
        for partitions in sizes:
            place = Path(folder, str(partitions))
            place.mkdir()
            print(f"| {' | '.join(row(partitions, kafka, place))} |", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1, 8, 32])
