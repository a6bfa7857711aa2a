"""What the sink makes of the hub's limit, and what it costs: commands per second, CPU time per command, throttling."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.commands import Book, create_topic, produce
from bench.hub import HubProcess
from bench.results import Results, Run
from ingest.emulator.conditions import THROTTLED
from ingest.extras import UAMQP, is_installed
from tests.faults.ingest_process import IngestProcess, write_config
from tests.faults.waiting import wait_until
from tests.services import ROOT
from tests.services.kafka import KafkaCluster

TIER = {"tier": "S3", "units": 10}
TIER_OPTIONS = ("--tier", "S3", "--units", "10")
ALLOWED_PER_SECOND = 5_000 * 10 / 60
ROUND_TRIP_SECONDS = 0.05
PROCESSES = 2
RUN_SECONDS = 300.0

RATE_COMMANDS = 20_000
WARM_UP_SECONDS = 10.0
STOCK_DEVICES = 50
STOCK_MESSAGES = 500
STOCK_SECONDS = 20

HALVED_COMMANDS = 60_000
BEFORE_SECONDS = 10.0
SETTLE_SECONDS = 10.0
HALVED_SECONDS = 30.0
AFTER_SECONDS = 45.0
CLIMBED_SHARE = 0.95
WINDOW_SECONDS = 3.0

CPU_COMMANDS = 50_000
CPU_ROUNDS = 3
UNLIMITED = {"sends_per_second": 100_000}


class Sink:
    """`ingest sink`, running, and the processes that send."""

    def __init__(self, process: IngestProcess) -> None:
        self.process = process
        self.senders = [psutil.Process(process.pids(str(slot), "sink")[-1]) for slot in range(PROCESSES)]

    def cpu_seconds(self) -> float:
        """User and system, all threads of the sending processes."""
        times = [sender.cpu_times() for sender in self.senders]
        return float(sum(each.user + each.system for each in times))


@contextmanager
def sink(folder: Path, hub: HubProcess, bootstrap: str, topic: str, pace: dict[str, Any]) -> Iterator[Sink]:
    """Started, linked to the hub, its partitions shared out; ended by SIGTERM."""
    with IngestProcess(folder, "sink") as process:
        write_config(
            process.config,
            {
                "hub": {"iot_hub_connection_string": hub.iot_hub, "ca_file": hub.ca_file},
                "sink": {
                    "topics": [topic],
                    "group_id": topic,
                    "processes": PROCESSES,
                    "dead_letter_topic": f"{topic}.dead",
                    **pace,
                },
                "kafka": {"bootstrap_servers": bootstrap},
                "metrics": {"port": 0},
                "service": {"log_format": "json"},
            },
        )
        process.config.chmod(0o600)
        process.start()

        def shared_out() -> bool:
            has = {entry["process"] for entry in process.log() if re.match("Commands come from", entry["message"])}
            return len(has) == PROCESSES

        wait_until(shared_out, lambda: process.story("not every process has partitions"))
        process.wait_ready()
        yield Sink(process)
        process.close()


def taken(hub: HubProcess) -> int:
    return int(hub.stats()["c2d"]["accepted"])


def throttled(hub: HubProcess) -> int:
    return int(hub.stats()["c2d"]["rejected"].get(THROTTLED, 0))


def wait_taken(hub: HubProcess, commands: int, sink: Sink) -> None:
    wait_until(
        lambda: taken(hub) >= commands,
        lambda: sink.process.story(f"the hub has {taken(hub)} of {commands} commands"),
        RUN_SECONDS,
    )


def wait_clock(milliseconds: float) -> None:
    """Until the hub's clock, which is this machine's, says so."""
    wait_until(lambda: time.time() * 1000 >= milliseconds, "the clock stands still", RUN_SECONDS)


def send_by_stock_client(hub: HubProcess) -> Run:
    """`IoTHubRegistryManager.send_c2d_message` in a loop, unmodified."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench.stock_sender", hub.iot_hub),
            *(str(STOCK_DEVICES), str(STOCK_MESSAGES), str(STOCK_SECONDS)),
        ],
        env={**os.environ, "SSL_CERT_FILE": hub.ca_file},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    return Run(figures["sent"], figures["wall_seconds"], figures["cpu_seconds"])


def compared(stock: Run, per_second: float, cpu_us: float) -> dict[str, float]:
    """The stock client's figures beside ours."""
    return {
        "stock_cpu_us_per_command": round(stock.cpu_us_per_event),
        "stock_commands_per_second": round(stock.events_per_second, 1),
        "times_stock_rate": round(per_second / stock.events_per_second, 1),
        "stock_times_cpu": round(stock.cpu_us_per_event / cpu_us, 1),
    }


def test_sink_rate(benchmark: Any, results: Results, kafka: KafkaCluster, tmp_path: Path) -> None:
    """At the hub's limit, over a link of 50 ms; the stock client, where there is one, at the same hub afterwards."""
    topic = create_topic(kafka.bootstrap)
    with HubProcess(*TIER_OPTIONS) as hub:
        hub.order("faults/delay", round_trip_seconds=ROUND_TRIP_SECONDS)
        hub.order("c2d/auto_complete")

        def measure() -> tuple[Book, float]:
            with sink(tmp_path, hub, kafka.bootstrap, topic, TIER) as running:
                before = running.cpu_seconds()
                produce(kafka.bootstrap, topic, RATE_COMMANDS)
                wait_taken(hub, RATE_COMMANDS, running)
                return Book(hub), running.cpu_seconds() - before

        book, cpu_seconds = benchmark.pedantic(measure, rounds=1)
        refused = throttled(hub)
        stock = send_by_stock_client(hub) if is_installed(UAMQP) else None
    assert len(book.times) == RATE_COMMANDS
    assert book.in_order()
    first, last = book.times[0], book.times[-1]
    steady = book.per_second(first + WARM_UP_SECONDS * 1000, last)
    ours = RATE_COMMANDS / book.seconds
    cpu_us = cpu_seconds / RATE_COMMANDS * 1e6
    results.add_row(
        benchmark,
        "sink at the limit",
        {
            "commands": RATE_COMMANDS,
            "cpu_us_per_command": round(cpu_us),
            "commands_per_second": round(ours, 1),
            "allowed_per_second": round(ALLOWED_PER_SECOND, 1),
            "share_of_allowed": round(steady / ALLOWED_PER_SECOND, 4),
            "throttled": refused,
            **(compared(stock, ours, cpu_us) if stock else {}),
        },
    )


def test_sink_rate_halved(benchmark: Any, results: Results, kafka: KafkaCluster, tmp_path: Path) -> None:
    """The hub takes half for a while, and then all again."""
    topic = create_topic(kafka.bootstrap)
    produce(kafka.bootstrap, topic, HALVED_COMMANDS)
    new_limit = ALLOWED_PER_SECOND / 2
    with HubProcess(*TIER_OPTIONS) as hub:
        hub.order("faults/delay", round_trip_seconds=ROUND_TRIP_SECONDS)
        hub.order("c2d/auto_complete")

        def measure() -> tuple[Book, float, float, float, list[int]]:
            with sink(tmp_path, hub, kafka.bootstrap, topic, TIER) as running:
                before = running.cpu_seconds()
                wait_taken(hub, round(ALLOWED_PER_SECOND * BEFORE_SECONDS), running)
                refused = [throttled(hub)]
                hub.order("c2d/set_limit", sends_per_second=new_limit)
                halved = time.time() * 1000
                wait_clock(halved + SETTLE_SECONDS * 1000)
                refused.append(throttled(hub))
                wait_clock(halved + HALVED_SECONDS * 1000)
                hub.order("c2d/set_limit", sends_per_second=ALLOWED_PER_SECOND)
                lifted = time.time() * 1000
                refused.append(throttled(hub))
                wait_clock(lifted + AFTER_SECONDS * 1000)
                refused.append(throttled(hub))
                return Book(hub), running.cpu_seconds() - before, halved, lifted, refused

        book, cpu_seconds, halved, lifted, refused = benchmark.pedantic(measure, rounds=1)
    assert book.in_order()
    settled = book.per_second(halved + SETTLE_SECONDS * 1000, lifted)
    climbed = book.reached_after(lifted, ALLOWED_PER_SECOND * CLIMBED_SHARE, WINDOW_SECONDS * 1000)
    results.add_row(
        benchmark,
        "limit halved and lifted",
        {
            "commands": len(book.times),
            "cpu_us_per_command": round(cpu_seconds / len(book.times) * 1e6),
            "commands_per_second": round(settled, 1),
            "allowed_per_second": round(new_limit, 1),
            "share_of_allowed": round(settled / new_limit, 4),
            "throttled": refused[-1],
            "throttled_while_settling": refused[1] - refused[0],
            "throttled_when_settled": refused[2] - refused[1],
            "seconds_to_climb_back": round(climbed, 1),
        },
    )


def test_sink_cpu(benchmark: Any, results: Results, kafka: KafkaCluster, tmp_path: Path) -> None:
    """As fast as the sending processes go: no limit anywhere, no delay."""
    runs: list[Run] = []
    hub_cpu_us: list[float] = []

    def measure() -> None:
        folder = tmp_path / str(len(runs))
        folder.mkdir()
        topic = create_topic(kafka.bootstrap)
        with HubProcess() as hub:
            hub.order("c2d/auto_complete")
            with sink(folder, hub, kafka.bootstrap, topic, UNLIMITED) as running:
                before, hub_before = running.cpu_seconds(), hub.cpu_seconds()
                produce(kafka.bootstrap, topic, CPU_COMMANDS)
                wait_taken(hub, CPU_COMMANDS, running)
                cpu_seconds, hub_cpu_seconds = running.cpu_seconds() - before, hub.cpu_seconds() - hub_before
                book = Book(hub)
            refused = throttled(hub)
        assert book.in_order()
        assert refused == 0
        runs.append(Run(CPU_COMMANDS, book.seconds, cpu_seconds))
        hub_cpu_us.append(hub_cpu_seconds / CPU_COMMANDS * 1e6)

    benchmark.pedantic(measure, rounds=CPU_ROUNDS)
    results.add_row(
        benchmark,
        "sink without a limit",
        {
            "runs": CPU_ROUNDS,
            "commands": CPU_COMMANDS,
            "cpu_us_per_command": round(statistics.median(run.cpu_us_per_event for run in runs)),
            "commands_per_second": round(statistics.median(run.events_per_second for run in runs)),
            "allowed_per_second": None,
            "throttled": 0,
            "hub_cpu_us_per_command": round(statistics.median(hub_cpu_us)),
        },
    )
