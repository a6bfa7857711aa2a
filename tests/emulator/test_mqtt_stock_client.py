"""azure-iot-device, unmodified, as the judge of the MQTT listener."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from ingest.amqp.types import Timestamp
from ingest.emulator.certificate import make_certificate
from ingest.emulator.conditions import End
from tests.emulator.mqtt_listener import FixedPortListener

SECONDS = 30.0
HOSTS = tuple(f"127.0.0.{last}" for last in range(20, 52))
"""The client's port is fixed: test runs side by side need addresses of their own."""


class StockDevice:
    """A `with` block around the client's process. Every wait ends within `SECONDS`."""

    def __init__(self, connection_string: str, ca_file: Path) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "tests.emulator.mqtt_device", connection_string, str(ca_file)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._news: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._news.put(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join(SECONDS)
            self._process.stdout.close()

    def order(self, **order: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def news(self) -> dict[str, Any]:
        return self._news.get(timeout=SECONDS)


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FixedPortListener]:
    certificate = make_certificate(tmp_path_factory.mktemp("certificate"), HOSTS)
    with FixedPortListener(certificate, HOSTS) as running:
        yield running


def connect(listener: FixedPortListener, device_id: str) -> StockDevice:
    return StockDevice(listener.devices.connection_string(device_id), listener.certificate.ca_file)


def test_it_sends_telemetry_and_receives_commands_also_after_a_lost_connection(listener: FixedPortListener) -> None:
    with connect(listener, "dev1") as device:
        assert device.news() == {"connected": True}
        told = {"message_id": "m-1", "correlation_id": "c-1", "content_type": "application/json"}
        told |= {"content_encoding": "utf-8"}
        properties = {"level": "hot", "a b&c": "zwölf=12/1"}
        device.order(send={"body": '{"t":1}', "properties": properties, **told})
        assert device.news() == {"sent": '{"t":1}'}
        expected = {"device_id": "dev1", "body": b'{"t":1}', "properties": properties, **told}
        assert listener.telemetry.wait(1)[-1] == expected

        listener.command(
            b"Turn On",
            message_id="msg1",
            correlation_id="c-2",
            content_type="text/plain",
            content_encoding="utf-8",
            absolute_expiry_time=Timestamp(4_102_444_800_000),
            properties={"why": "cold & dark", "iothub-ack": "full"},
        )
        device.order(listen=True)
        news = [device.news(), device.news()]
        assert {"listening": True} in news
        assert {
            "command": {
                "body": "Turn On",
                "message_id": "msg1",
                "correlation_id": "c-2",
                "content_type": "text/plain",
                "content_encoding": "utf-8",
                "expiry_time_utc": "2100-01-01T00:00:00.000Z",
                "ack": "full",
                "properties": {"why": "cold & dark"},
            }
        } in news
        assert listener.commands.ended.wait(1) == [(b"Turn On", End.COMPLETED)]

        device.order(report={"level": 3})
        assert device.news() == {"twin": {"desired": {"$version": 1}, "reported": {"level": 3, "$version": 2}}}

        assert listener.abort("dev1")
        assert device.news() == {"connected": False}
        listener.command(b"Turn Off")
        # Two threads of the client tell: the command may overtake the connection that it came by.
        news = [device.news(), device.news()]
        assert {"connected": True} in news
        assert [each["command"]["body"] for each in news if "command" in each] == ["Turn Off"]
        assert listener.commands.ended.wait(2)[1:] == [(b"Turn Off", End.COMPLETED)]


def test_it_is_told_that_its_key_is_wrong(listener: FixedPortListener) -> None:
    wrong = listener.devices.connection_string("dev2").replace("DeviceId=dev2", "DeviceId=dev3")
    with StockDevice(wrong, listener.certificate.ca_file) as device:
        # Another thread of the client may tell first that there is no connection.
        news = [device.news()]
        news += [device.news()] if news == [{"connected": False}] else []
        assert news[-1] == {"failed": "CredentialError"}
