"""The walkthrough's last step: a person types a command into Kafka's console producer, and a device prints it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ingest.emulator import Emulator
from ingest.emulator.certificate import make_certificate
from ingest.emulator.device_registry import Devices
from ingest.emulator.mqtt.server import PORT, MqttServer
from tests.faults.sink_rig import SinkRig
from tests.services import ROOT, kafka_jars, prerequisites
from tests.services.guard import Guard
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
DEVICE = "myDeviceId"
COMMAND = '{"messageId":"msg1","message":"Turn On","deviceId":"myDeviceId"}\n'
SECONDS = 60
HOSTS = tuple(f"127.0.0.{last}" for last in range(60, 92))
"""The device's client knows one port only: test runs side by side need addresses of their own."""


def test_a_command_typed_into_the_console_reaches_a_stock_device(
    kafka: KafkaCluster, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with SinkRig(tmp_path, kafka.bootstrap, command="run") as rig:
        rig.hub.c2d.stop_auto_complete()
        rig.sink.start()
        with (
            mqtt(rig.hub, tmp_path_factory.mktemp("mqtt")) as (connection_string, ca_file),
            device(connection_string, ca_file) as lines,
        ):
            assert next(lines) == "Connected\n"
            type_into_console(kafka.bootstrap, rig.topics.name, COMMAND)
            assert next(lines) == "Receive message: Turn On\n"
        rig.hub.wait_for(lambda stats: stats.c2d.completed == 1, SECONDS)
        rig.topics.wait_no_lag()
        rig.sink.wait_ready()
        assert rig.sink.close() == 0


@contextmanager
def mqtt(hub: Emulator, folder: Path) -> Iterator[tuple[str, Path]]:
    """The hub's MQTT listener at a free address; the connection string of the device there, and the CA file."""
    certificate = make_certificate(folder, HOSTS)
    for host in HOSTS:
        devices = Devices(b"secret", host, time.time)
        server = MqttServer(devices, hub.hub.publish, hub.c2d.hub, certificate.server_context(), time.time, port=PORT)
        with suppress(OSError):
            hub.submit(server.start(host)).result(SECONDS)
            break
    else:
        raise OSError(f"port {PORT} is taken at every address tried")
    try:
        yield devices.connection_string(DEVICE), certificate.ca_file
    finally:
        hub.submit(server.close()).result(SECONDS)


@contextmanager
def device(connection_string: str, ca_file: Path) -> Iterator[Iterator[str]]:
    """The lines that Microsoft's sample of a receiving device prints, as they come."""
    guard = Guard("device")
    process = subprocess.Popen(
        # Its MQTT library is of 2021 and warns about itself under newer Pythons.
        [sys.executable, "-W", "ignore", "-m", "tests.end_to_end.receiving_device", connection_string, str(ca_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    guard.watch(process.pid)
    try:
        assert process.stdout is not None
        yield iter(process.stdout)
        process.communicate(timeout=SECONDS)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
        guard.release(process.pid)
        guard.close()


def type_into_console(bootstrap: str, topic: str, text: str) -> None:
    """kafka-console-producer.sh --bootstrap-server … --topic …"""
    command = [prerequisites.java(), "-Xmx128m", "-cp", f"{kafka_jars.ensure_console()}/*"]
    command += ["org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", bootstrap, "--topic", topic]
    subprocess.run(command, input=text, text=True, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)
