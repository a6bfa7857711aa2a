"""`ingest source` and the documented loop as a benchmark starts them: attached to a hub that hides its backlog."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.feed import Feed
from bench.hub import HubProcess
from tests.faults.source_process import Sections, SourceProcess, write_config
from tests.services import ROOT

PATIENT = {"source": {"stall_seconds": 600}}
"""For hubs that hide events: what the source would rightly call a stall."""


@dataclass(frozen=True)
class Way:
    """How the source is to receive, and what it is to write. `transport` None: whatever is the default; `partitions`: the
    hub's first ones, None for all."""

    transport: str | None
    tls: bool = True
    format: str = "json"
    partitions: int | None = None

    def sections(self) -> Sections:
        chosen: dict[str, object] = {"transport": self.transport} if self.transport else {}
        if self.partitions is not None:
            chosen["partitions"] = [str(number) for number in range(self.partitions)]
        return {"source": {"format": self.format, **chosen}}


@contextmanager
def source(
    folder: Path, hub: HubProcess, bootstrap: str, topic: str, way: Way, *more: Sections
) -> Iterator[SourceProcess]:
    """`ingest source`, started; ended by SIGTERM."""
    folder.mkdir(exist_ok=True)
    with SourceProcess(folder) as process:
        address = (
            {"event_hub_connection_string": hub.event_hub_tls, "ca_file": hub.ca_file}
            if way.tls
            else {"event_hub_connection_string": hub.event_hub}
        )
        write_config(
            process.config,
            {
                "hub": address,
                "source": {"topic": topic, "dead_letter_topic": "bench.dead"},
                "checkpoints": {"store": "file", "path": str(folder / "checkpoints")},
                "kafka": {"bootstrap_servers": bootstrap},
                "metrics": {"port": 0},
                "service": {"log_format": "json"},
            },
            way.sections(),
            *more,
        )
        process.config.chmod(0o600)
        process.start()
        yield process
        process.close()


@contextmanager
def attached_source(
    folder: Path, feed: Feed, bootstrap: str, topic: str, way: Way, *more: Sections
) -> Iterator[SourceProcess]:
    """`source`, waiting for the feed's backlog, which is hidden. Asserts that it receives the way that was asked for."""
    feed.hide()
    with source(folder, feed, bootstrap, topic, way, PATIENT, *more) as process:
        process.wait_ready()
        feed.wait_attached(way.partitions or feed.partitions)
        if way.transport:
            assert transport_of(process) == way.transport
        yield process


def transport_of(process: SourceProcess) -> str:
    """What the process says that it receives through."""
    [name] = [name for name in ("sdk", "fast") if process.metric("source_transport_info", transport=name)]
    return name


def mover_pids(process: SourceProcess, partitions: int) -> list[int]:
    return [process.pids(str(partition))[-1] for partition in range(partitions)]


@contextmanager
def attached_sample(feed: Feed, bootstrap: str, topic: str, *, tls: bool) -> Iterator[int]:
    """The documentation's loop in a process of its own, waiting for the hidden backlog; gives its pid."""
    feed.hide()
    place = [feed.event_hub_tls, bootstrap, topic, feed.address_tls, feed.ca_file] if tls else None
    with (
        subprocess.Popen(
            [sys.executable, "-m", "bench.sample_client", *(place or [feed.event_hub, bootstrap, topic])],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        ) as process,
        contextlib.ExitStack() as end,
    ):
        end.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == b"receiving\n"
        feed.wait_attached(1)
        yield process.pid
