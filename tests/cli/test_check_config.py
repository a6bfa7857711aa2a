import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.cli import check_config, doctor
from ingest.config import At, Checkpoints, Cluster, Config, Hub, Kafka, Proxy, SchemaRegistry, Secret, Sink, load
from ingest.doctor.check import Finding, Result
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE
from tests.config.samples import NAMESPACE, written


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(written(tmp_path), environ={}, for_command="check-config")


def test_a_right_configuration_is_summed_up(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(config, source=replace(config.source, start=At(datetime(2024, 5, 1, tzinfo=UTC))))
    assert check_config.run(config, connect=False) == EXIT_OK
    shown = capsys.readouterr().out
    assert shown.startswith("ok\n")
    assert "iothub-ehub-a-1 at ihsuprod.servicebus.windows.net" in shown
    assert "from 2024-05-01T00:00:00+00:00" in shown
    assert "s3cr3t" not in shown


def lines(config: Config, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Part → what is said of it."""
    assert check_config.run(config, connect=False) == EXIT_OK
    return {line[:12].rstrip(): line[12:] for line in capsys.readouterr().out.splitlines()}


def test_an_address_of_ipv6_has_its_brackets(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(config, metrics=replace(config.metrics, host="::1"))
    assert lines(config, capsys)["metrics"] == "http://[::1]:9464/metrics"


def test_both_directions_are_spoken_of(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(config, capsys)
    assert shown["runs"] == "source and sink, with `ingest run`"
    assert shown["telemetry"] == "to iotin (json), dead letters to iotin.dead"
    assert shown["sink"] == "a.azure-devices.net, 2 processes, at most 1.67 commands/s (S1 with 1 unit)"
    assert shown["commands"] == "from iotout (consumer group ingest-sink), dead letters to iotout.dead, no feedback"
    asked = replace(config, sink=Sink(processes=1, sends_per_second=0.5, ack="full", topics=("a", "b")))
    shown = lines(asked, capsys)
    assert shown["sink"] == "a.azure-devices.net, 1 process, at most 0.5 commands/s (sink.sends_per_second)"
    assert shown["commands"].startswith("from a, b (")
    assert shown["commands"].endswith(", full feedback to iotfeedback")


def test_exactly_once_is_told(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert "delivery" not in lines(config, capsys)
    once = replace(config, source=replace(config.source, delivery="exactly_once"))
    assert lines(once, capsys)["delivery"] == "exactly once, committed every 500 ms, positions in ingest-positions"


def test_a_node_of_several_says_so(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(replace(config, cluster=Cluster("kafka")), capsys)
    assert "its share of all partitions (cluster.coordination kafka)" in shown["source"]
    shown = lines(replace(config, cluster=Cluster("blob", weight=2)), capsys)
    assert "(cluster.coordination blob, weight 2)" in shown["source"]


def test_a_cluster_of_another_kind_is_told(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    kafka = Kafka("plant.servicebus.windows.net:9093", "event_hubs", Secret(NAMESPACE))
    assert lines(replace(config, kafka=kafka), capsys)["kafka"] == f"{kafka.bootstrap_servers}, Azure Event Hubs"


def test_a_way_that_is_not_the_usual_one_is_told(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert "network" not in lines(config, capsys)
    behind = replace(config, proxy=Proxy(url="http://me@proxy.corp:3128", password=Secret("s3cr3t")))
    to = "WebSocket to {}:443 through the proxy proxy.corp:3128"
    assert lines(behind, capsys)["network"] == "; ".join(
        to.format(host) for host in ("ihsuprod.servicebus.windows.net", "a.azure-devices.net")
    )
    excepted = replace(behind, proxy=replace(behind.proxy, no_proxy=("azure-devices.net",)))
    assert lines(excepted, capsys)["network"] == to.format("ihsuprod.servicebus.windows.net")
    by_hand = replace(behind, hub=replace(config.hub, network="amqp"))
    assert lines(by_hand, capsys)["network"].startswith(
        "AMQP to ihsuprod.servicebus.windows.net:5671 through the proxy"
    )


def test_a_direction_that_is_not_run_says_why(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = lines(replace(config, hub=replace(config.hub, iot_hub_connection_string=Secret())), capsys)
    assert telemetry["runs"] == "source, with `ingest run`"
    assert telemetry["sink"].startswith("not run: no IoT hub to send to, as hub.iot_hub_connection_string")
    assert "commands" not in telemetry
    alone = replace(config, hub=replace(config.hub, event_hub_connection_string=Secret()))
    assert "source" in lines(alone, capsys)["runs"], "with a place for checkpoints, the hub says where its events are"
    commands = lines(replace(alone, checkpoints=Checkpoints()), capsys)
    assert commands["runs"] == "sink, with `ingest run`"
    assert commands["source"].startswith("not run: no event hub, as hub.event_hub_connection_string")
    assert not {"telemetry", "checkpoints"} & commands.keys()


NOBODY = "127.0.0.77"
"""An address of this machine at which nothing listens."""
SERVICES = ("event hub", "checkpoints", "iot hub", "kafka")


@pytest.mark.parametrize(("result", "code"), [("ok", EXIT_OK), ("warn", EXIT_OK), ("fail", EXIT_UNAVAILABLE)])
def test_connect_shows_what_the_doctor_finds(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, result: Result, code: int
) -> None:
    found = [Finding("kafka", result, "3 \x1b brokers", "mend it", 0), Finding("hub", "skipped", "needs kafka", "", 0)]
    monkeypatch.setattr(doctor, "try_connections", lambda config: iter(found))
    assert check_config.run(config, connect=True) == code
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first == f"{'failed' if result == 'fail' else result:<8}kafka: 3 \\x1b brokers; mend it"
    assert second == "skipped hub: needs kafka"


@pytest.mark.parametrize(
    ("given", "tried"),
    [
        ({"event_hub", "iot_hub"}, {"event hub", "checkpoints", "iot hub", "kafka"}),
        ({"iot_hub"}, {"iot hub", "kafka"}),
        ({"event_hub"}, {"event hub", "checkpoints", "kafka"}),
    ],
)
def test_connect_tries_the_services_of_what_is_configured(
    config: Config, capsys: pytest.CaptureFixture[str], given: set[str], tried: set[str]
) -> None:
    """Where nobody listens; and nothing of this machine, such as its clock, is judged."""
    key = "SharedAccessKeyName=n;SharedAccessKey=a2V5"
    event_hub, iot_hub = f"Endpoint=sb://{NOBODY}/;{key};EntityPath=h", f"HostName={NOBODY};{key}"
    hub = Hub(Secret(event_hub if "event_hub" in given else ""), Secret(iot_hub if "iot_hub" in given else ""))
    checkpoints = Checkpoints(store="file", path=config.checkpoints.path) if "event_hub" in given else Checkpoints()
    asked = replace(config, hub=hub, kafka=Kafka(f"{NOBODY}:1"), checkpoints=checkpoints)
    assert check_config.run(asked, connect=True) == EXIT_UNAVAILABLE
    _, shown = capsys.readouterr().out.split("/metrics\n")
    assert {name for name in SERVICES if re.search(f"^[a-z]+ +{name}", shown, re.MULTILINE | re.IGNORECASE)} == tried
    for name in tried - {"checkpoints"}:
        assert re.search(f"^failed  {name}.*refused", shown, re.MULTILINE | re.IGNORECASE), shown
    assert not {"metrics port", "clock", "decoder"} & {line[8:].partition(":")[0] for line in shown.splitlines()}


def test_a_configuration_for_commands_alone_is_right_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `ingest run` and `ingest sink` would take it; systemd's ExecReload= asks this question."""
    path = tmp_path / "ingest.toml"
    path.write_text(
        '[hub]\niot_hub_connection_string = "HostName=h.azure-devices.net;SharedAccessKeyName=service;'
        'SharedAccessKey=a2V5"\n'
    )
    path.chmod(0o600)
    config = load(path, environ={}, for_command="check-config")
    assert check_config.run(config, connect=False) == EXIT_OK
    assert "no event hub" in capsys.readouterr().out


def test_a_format_of_the_old_connector_says_that_there_are_no_keys(config: Config) -> None:
    registry = SchemaRegistry("http://registry:8081")
    config = replace(
        config,
        source=replace(config.source, format="connect-avro"),
        kafka=replace(config.kafka, schema_registry=registry),
    )
    assert "(connect-avro, without keys, schema registry http://registry:8081)" in check_config.summary(config)
