import argparse
import base64
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.eventhub import EventHubConsumerClient

from ingest.cli import emulator
from ingest.emulator.amqp.sas import sign
from tests.emulator.http_client import DEADLINE_SECONDS, request
from tests.emulator.received import receive

MAIN = """
import argparse, sys
from ingest.cli import emulator
parser = argparse.ArgumentParser(prog="ingest emulator")
emulator.add_arguments(parser)
sys.exit(emulator.run(parser.parse_args()))
"""
FIELDS = [
    "event_hub_connection_string",
    "event_hub_connection_string_tls",
    "iot_hub_connection_string",
    "amqp",
    "amqps",
    "https",
    "control",
    "ca_file",
    "partitions",
    "event_hub_connection_string_5671",
    "devices",
]


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, killed at the latest when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", MAIN, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A line that is not flushed must be missed here.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    watchdog = threading.Timer(3 * DEADLINE_SECONDS, process.kill)
    watchdog.start()
    try:
        with process:
            yield process
            process.kill()
    finally:
        watchdog.cancel()
        watchdog.join()


def ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def stopped(process: subprocess.Popen[str], by: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    """Exit code, the rest of stdout, and stderr."""
    process.send_signal(by)
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, out, err


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port


def act_as_device(text: str) -> None:
    """Do what the curl line in `text` does; curl is not everywhere."""
    line = re.search(r"^curl .*\n.*api-version=.*$", text, re.MULTILINE)
    assert line
    words = shlex.split(line[0].replace("\\\n", " "))
    given = list(zip(words[1:-1:2], words[2:-1:2], strict=True))
    assert [option for option, _ in given] == ["--cacert", "-H", "-H", "-d"]
    token = re.fullmatch(r"Authorization: \$\(curl -s http://127\.0\.0\.1:(\d+)(/\S+)\)", given[1][1])
    assert token
    headers = {
        "Authorization": request(int(token[1]), "GET", token[2]).body.decode(),
        "Content-Type": given[2][1].removeprefix("Content-Type: "),
    }
    url = urlsplit(words[-1])
    assert url.port
    body = given[3][1].encode()
    answer = request(url.port, "POST", f"{url.path}?{url.query}", body, headers, Path(given[0][1]))
    assert answer.status == 204


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    emulator.add_arguments(parser)
    return parser.parse_args(options)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_json_is_one_line_and_a_signal_ends_it_though_clients_are_attached(by: signal.Signals) -> None:
    with running("--json", "--partitions", "3") as process:
        line = ready(process)
        assert list(line) == FIELDS
        assert line["partitions"] == 3
        ca_file = Path(line["ca_file"])
        assert ca_file.exists()
        clients = [socket.create_connection(("127.0.0.1", port_of(line[key]))) for key in ("amqp", "https", "control")]
        clients[2].sendall(b"GET /stats HTTP/1.1\r\nHost: x\r\n\r\n")
        assert clients[2].recv(1)
        assert stopped(process, by) == (0, "", "")
        for client in clients:
            client.close()
        assert not ca_file.parent.exists()


def test_the_line_has_connection_strings_of_devices() -> None:
    with running("--json", "--devices", "3") as process:
        line = ready(process)
        assert len(line["devices"]) == 3
        for number, text in enumerate(line["devices"], 1):
            fields = dict(part.split("=", 1) for part in text.split(";"))
            assert f"Endpoint=sb://{fields['HostName']}/" in line["event_hub_connection_string_5671"]
            assert fields["DeviceId"] == f"device-{number:04d}"
            path = f"/devices/{fields['DeviceId']}/messages/events?api-version=2021-04-12"
            key = base64.b64decode(fields["SharedAccessKey"])
            token = sign(f"{fields['HostName']}/devices/{fields['DeviceId']}", key, int(time.time()) + 60)
            headers = {"Authorization": token}
            assert request(port_of(line["https"]), "POST", path, b"1", headers, Path(line["ca_file"])).status == 204


def test_simulated_telemetry_reaches_a_stock_client_in_order() -> None:
    options = ("--json", "--partitions", "2", "--devices", "5", "--events", "300", "--body-bytes", "200", "--seed", "7")
    with running(*options) as process:
        line = ready(process)
        client = EventHubConsumerClient.from_connection_string(
            line["event_hub_connection_string_5671"], "$Default", connection_verify=line["ca_file"]
        )
        events = receive(client, 300)
        control = port_of(line["control"])
        assert request(control, "GET", "/simulation").json == {
            "events_sent": 300,
            "per_device": {f"device-{number:04d}": 60 for number in range(1, 6)},
            "done": True,
        }
        assert stopped(process)[0] == 0
    counters: dict[str, list[int]] = {}
    for event in events:
        body = json.loads(event.body_as_str())
        assert len(event.body_as_str()) == 200
        assert event.system_properties[b"iothub-connection-device-id"] == body["deviceId"].encode()
        assert event.content_type == "application/json"
        assert event.properties in ({b"temperatureAlert": b"false"}, {b"temperatureAlert": b"true"})
        counters.setdefault(body["deviceId"], []).append(body["counter"])
    assert counters == {f"device-{number:04d}": list(range(1, 61)) for number in range(1, 6)}


def test_without_rate_and_events_nothing_is_simulated_and_text_tells_how_to_go_on() -> None:
    with running() as process:
        assert process.stdout is not None
        text = "".join(iter(process.stdout.readline, 'path = "checkpoints"\n'))
        control = re.search(r"http://127\.0\.0\.1:(\d+)/ ", text)
        assert control
        answer = request(int(control[1]), "GET", "/simulation")
        assert answer.json == {"events_sent": 0, "per_device": {}, "done": True}
        assert "none (--rate or --events starts them)" in text
        act_as_device(text)
        stats = request(int(control[1]), "GET", "/stats").json
        assert sum(one["last_sequence_number"] + 1 for one in stats["partitions"].values()) == 1
        assert stopped(process)[0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--partitions", "0"), "'0' is not a whole number from 1 to 32"),
        (("--partitions", "33"), "'33' is not a whole number from 1 to 32"),
        (("--devices", "many"), "'many' is not a whole number from 1 to 100000"),
        (("--rate", "-1"), "'-1' is not a number of events per second"),
        (("--rate", "inf"), "'inf' is not a number of events per second"),
        (("--body-bytes", "262145"), "'262145' is not a whole number from 0 to 262144"),
    ],
)
def test_wrong_options_are_usage_errors(
    options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parsed(*options)
    assert exit_.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "why"), [("example.org", "not an IPv4 address"), ("::1", "not an IPv4 address"), ("192.0.2.1", "assign")]
)
def test_a_host_that_cannot_be_listened_on(host: str, why: str) -> None:
    with running("--host", host) as process:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
        assert (process.returncode, out) == (2, "")
        assert f"--host {host}: " in err
        assert why in err
        assert "Traceback" not in err


def test_another_host_than_loopback_warns_and_keeps_control_on_loopback() -> None:
    with running("--json", "--host", "0.0.0.0") as process:
        line = ready(process)
        assert line["control"].startswith("http://127.0.0.1:")
        code, _, err = stopped(process)
        assert code == 0
        assert "warning" in err
        assert "throw-away" in err


def test_an_endless_simulation_keeps_a_bounded_log() -> None:
    assert emulator._retention(parsed("--events", "5")) is None
    assert emulator._retention(parsed("--events", "5", "--rate", "5")) is None
    assert emulator._retention(parsed()) is None
    assert emulator._retention(parsed("--rate", "5", "--partitions", "4")) == 55_924
    assert emulator._retention(parsed("--rate", "5", "--partitions", "32", "--body-bytes", "262144")) == 15
