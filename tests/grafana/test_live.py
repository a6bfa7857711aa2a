"""Every query of the dashboard, asked of a real Prometheus that scrapes a real `ingest run` under load."""

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest
import yaml

from ingest.amqp.encoding import encode
from ingest.amqp.message import section
from ingest.emulator import Emulator
from ingest.metrics import audits, cluster
from ingest.metrics.catalogue import SOURCE_COMMIT, TOKEN_EXPIRY, TOKEN_FAILING, TOKEN_FAILURES
from tests.faults.conftest import basic_config
from tests.faults.ingest_process import IngestProcess, write_config
from tests.faults.sink_rig import SinkRig
from tests.faults.telemetry import Feeder
from tests.faults.waiting import wait_until
from tests.grafana.dashboard import FOLDER, Target, targets
from tests.grafana.promql import declared
from tests.services import prometheus_programs
from tests.services.kafka import KafkaCluster
from tests.services.prometheus import Prometheus

pytestmark = pytest.mark.services
DEVICES = ("dev-0", "dev-1", "dev-2")
OF_IDENTITY = {TOKEN_EXPIRY.full_name, TOKEN_FAILING.full_name, TOKEN_FAILURES.full_name}
"""Only a node with an [identity] has them: tests/service/test_token_supply.py sees them."""
OF_CLUSTER = {metric.full_name for metric in cluster.METRICS}
"""Only a node that shares its hub has them: tests/service/test_sharing.py sees them."""
OF_TRANSACTIONS = {SOURCE_COMMIT.full_name}
"""Only with source.delivery = "exactly_once" there is something in them: tests/source/test_instrumentation.py sees them."""
OF_AUDITS = {metric.full_name for metric in audits.AUDIT_METRICS}
"""They come from `ingest audit`, not from the service: tests/cli/test_audit.py sees them."""
WEEK_SECONDS = 7 * 86_400.0
"""What the dashboard shows for never."""


class Node(NamedTuple):
    """`ingest run` between a hub and Kafka, and the Prometheus that watches it."""

    rig: SinkRig
    feeder: Feeder
    prometheus: Prometheus
    metrics: str
    """URL."""

    def load(self) -> None:
        """Some events and commands, and feedback on the latter."""
        for partition in ("0", "1"):
            self.feeder.send(partition, 50, body_bytes=200)
        self.rig.topics.send(DEVICES, 2)
        self.rig.hub.c2d.flush_feedback()

    def scraped(self) -> str:
        with urlopen(self.metrics, timeout=10) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def node(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder: Path = tmp_path_factory.mktemp("node")
    sink = {"ack": "full", "sends_per_second": 100}
    checkpoints = {"interval_seconds": 1}
    with SinkRig(folder, kafka.bootstrap, {"sink": sink, "checkpoints": checkpoints}, command="run") as rig:
        rig.sink.start()
        rig.sink.wait_ready()
        metrics = rig.sink.wait_said(r"(http://\S+/metrics)")[1]
        address = metrics.removeprefix("http://").removesuffix("/metrics")
        with Prometheus(address, rules=[FOLDER / "alerts.yaml"]) as prometheus:
            yield Node(rig, Feeder(rig.hub), prometheus, metrics)


def test_every_query_returns_data(node: Node) -> None:
    others = OF_IDENTITY | OF_CLUSTER | OF_TRANSACTIONS
    left = [target for target in targets() if not any(name in target.expression for name in others)]

    def all_answered() -> bool:
        node.load()
        left[:] = [target for target in left if not _answers(node.prometheus, target)]
        return not left

    wait_until(all_answered, lambda: node.rig.sink.story(f"no data for {[str(target) for target in left]}"))


def _answers(prometheus: Prometheus, target: Target) -> bool:
    """With a number in it."""
    return any(sample["value"][1] != "NaN" for sample in prometheus.query(target.expression))


def test_the_reader_can_choose_job_and_instance(node: Node) -> None:
    def chosen() -> bool:
        labels = node.prometheus.ask("label/instance/values", **{"match[]": 'ingest_build_info{job="ingest"}'})
        return bool(labels == [node.metrics.removeprefix("http://").removesuffix("/metrics")])

    wait_until(chosen, "no instance to choose")


def test_promtool_finds_no_fault_in_what_is_scraped(node: Node) -> None:
    node.load()
    done = subprocess.run(
        [prometheus_programs.promtool(), "check", "metrics"],
        input=node.scraped(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_declared_series_is_exported_before_anything_goes_wrong(node: Node) -> None:
    """The rate of a counter that appears with its first error does not show that error."""

    def missing() -> set[str]:
        node.load()
        found = {line.partition("{")[0] for line in node.scraped().splitlines() if not line.startswith("#")}
        wanted = declared().keys() - OF_IDENTITY - OF_AUDITS
        return {name for name in wanted - found if not name.startswith(tuple(OF_CLUSTER))}

    wait_until(lambda: not missing(), lambda: f"never exported: {sorted(missing())}")


def test_no_alert_fires_on_a_node_that_works(node: Node) -> None:
    node.load()
    (group,) = node.prometheus.ask("rules")["groups"]
    names = [rule["alert"] for rule in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]]
    assert [rule["name"] for rule in group["rules"]] == names
    wait_until(
        lambda: all(rule["health"] == "ok" for rule in node.prometheus.ask("rules")["groups"][0]["rules"]),
        "a rule cannot be evaluated",
    )
    # Right after the start an alert may be pending until its condition has been seen not to hold.
    wait_until(
        lambda: not node.prometheus.ask("alerts")["alerts"],
        lambda: f"pending or firing: {node.prometheus.ask('alerts')['alerts']}",
    )


def test_the_answer_is_right(node: Node) -> None:
    expected = {
        "Workers, up": 5.0,
        "Workers, down": 0.0,
        "Dead letters, events": 0.0,
        "Dead letters, commands": 0.0,
        "Time to data loss, soonest": WEEK_SECONDS,
    }

    def answers() -> dict[str, float]:
        return {str(target): _number(node.prometheus, target) for target in targets() if str(target) in expected}

    wait_until(lambda: answers() == expected, lambda: f"it says {answers()}")


def test_dead_letters_are_seen_at_once(node: Node) -> None:
    """Last in this file: its alert stays."""
    node.rig.hub.append("0", section(0x75, encode("no binary")))
    node.rig.topics.send_raw(b'{"deviceId":true,"message":"no command"}')

    def reasons() -> set[str]:
        alerts = node.prometheus.ask("alerts")["alerts"]
        return {alert["labels"]["reason"] for alert in alerts if alert["labels"]["alertname"] == "IngestDeadLetters"}

    wait_until(lambda: reasons() == {"malformed", "invalid_device_id"}, lambda: f"alerts for {reasons()}")
    shown = [target for target in targets() if target.panel == "Dead letters"]
    assert len(shown) == 2
    assert all(_number(node.prometheus, target) > 0 for target in shown)


def _number(prometheus: Prometheus, target: Target) -> float:
    """Of a query with one result; NaN before there is one."""
    return next((float(sample["value"][1]) for sample in prometheus.query(target.expression)), math.nan)


def test_a_node_that_waits_for_its_hub_is_seen(kafka: KafkaCluster, tmp_path: Path) -> None:
    with Emulator(partitions=2) as hub:
        away = hub.endpoints.event_hub_connection_string
    with IngestProcess(tmp_path, "source") as source:
        write_config(source.config, basic_config(tmp_path, away, kafka.bootstrap, "telemetry"))
        source.start()
        address = source.wait_said(r"http://(\S+)/metrics")[1]
        with Prometheus(address, rules=[FOLDER / "alerts.yaml"]) as prometheus:

            def alerts() -> list[str]:
                return [alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"]]

            wait_until(lambda: alerts() == ["IngestNotStarting"], lambda: source.story(f"alerts: {alerts()}"))
