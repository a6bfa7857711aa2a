"""No secret of a run is told: not in logs, output, metrics, or what /proc shows of any process."""

import base64
import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import (
    AccountSasPermissions,
    ResourceTypes,
    generate_account_sas,
)

from ingest.errors import EXIT_CONFIG, EXIT_UNAVAILABLE
from tests.faults.ingest_process import Sections, write_config
from tests.faults.sink_rig import SinkRig
from tests.faults.telemetry import Feeder
from tests.faults.waiting import gone, wait_until
from tests.services import ROOT
from tests.services.azurite import Azurite
from tests.services.faulty_http import FaultyProxy
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]

VARIABLE = "INGEST__HUB__EVENT_HUB_CONNECTION_STRING"
"""The one secret that is given in the environment; the others are in the configuration and in a file of its own."""
PASSWORD = "Kafka-" + secrets.token_hex(16)
SIGNED = re.compile(
    r"sig=\s*[^\s*…]|SharedAccessSignature\s+sr=|(?:SharedAccessKey|AccountKey)=\s*[^\s*…]|Authorization:\s*\S",
    re.IGNORECASE,
)
"""What tokens, signatures and connection strings look like, whatever the key."""
COMMAND_SECONDS = 60


class Secrets:
    """Texts that must be nowhere."""

    def __init__(self, **named: str) -> None:
        self._spellings: dict[str, set[str]] = {}
        for name, secret in named.items():
            # Cut short it would still be one; in a URL or as bytes, too.
            starts = {secret[:16], quote(secret, safe="")[:16], repr(secret.encode())[2:18]}
            with suppress(ValueError):
                starts.add(base64.b64decode(secret, validate=True)[:8].hex())
            self._spellings[name] = starts

    def told_in(self, text: str) -> list[str]:
        """Names of the secrets, and the lines that look like one."""
        names = [name for name, starts in self._spellings.items() if any(start in text for start in starts)]
        return names + [line[:400] for line in text.splitlines() if SIGNED.search(line)]


@pytest.fixture
def proxy(blob: Azurite) -> Iterator[FaultyProxy]:
    with FaultyProxy(blob.address) as proxy:
        yield proxy


def storage_token(blob: Azurite) -> tuple[str, str]:
    """The account by a token, which travels in the URL of every request, as (its endpoint's path, the token)."""
    parts = dict(part.split("=", 1) for part in blob.connection_string.split(";") if part)
    everything = ResourceTypes(service=True, container=True, object=True)
    may = AccountSasPermissions(read=True, list=True, write=True, create=True, delete=True)
    until = datetime.now(UTC) + timedelta(hours=1)
    return parts["AccountName"], generate_account_sas(parts["AccountName"], parts["AccountKey"], everything, may, until)


def test_a_run_with_failures_tells_no_secret(
    kafka: KafkaCluster, blob: Azurite, proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, token = storage_token(blob)
    signature = token.split("sig=")[1].split("&")[0]
    layers: Sections = {
        "checkpoints": {
            "store": "blob",
            "blob_connection_string": f"BlobEndpoint=http://{proxy.address}/{account};SharedAccessSignature={token}",
            "container": f"secrets-{secrets.token_hex(8)}",
            "interval_seconds": 0.2,
        },
        # A password that is not asked for here still goes the whole way; librdkafka tells all that it tells of settings.
        "kafka.librdkafka": {
            '"sasl.username"': "u",
            '"sasl.password"': PASSWORD,
            '"debug"': "conf,security",
            '"log_level"': "7",
        },
        "sink": {"ack": "full"},
        "service": {"log_level": "debug", "log_format": "json"},
    }
    with SinkRig(tmp_path, kafka.bootstrap, layers, command="run") as rig:
        hidden = Secrets(hub=rig.hub.keys.service, signature=signature, password=PASSWORD)
        own = write_secrets(rig, layers, monkeypatch)
        feeder = Feeder(rig.hub)
        rig.sink.start()
        for partition in ("0", "1"):
            rig.sink.wait_said(f"Partition {partition} is attached")
        rig.sink.wait_ready()

        def go_on() -> None:
            feeder.send("0", 20)
            feeder.send("1", 20)
            rig.topics.send(["pump", "fan"], 5)
            rig.wait_received()

        go_on()
        look_at_processes(rig, hidden, own)
        proxy.fail(503, "ServerBusy")
        rig.hub.faults.abort()
        wait_until(rig.hub.faults.sends.abort_service_connections, "there is no link to lose")
        rig.topics.send_raw(b"{nonsense")
        go_on()
        rig.sink.wait_metric("source_checkpoint_failures_total", 1)
        for partition in ("0", "1"):
            rig.sink.wait_metric("source_reconnects_total", 1, partition=partition)
        rig.sink.wait_ready()
        proxy.hang()
        for slot, role in (("0", "source"), ("0", "sink")):
            victim = rig.sink.wait_pids(slot, 1, role)[-1]
            os.kill(victim, signal.SIGKILL)
            assert gone(victim)
        proxy.heal()
        rig.sink.config.write_text(rig.sink.config.read_text().replace("[sink]", '[sink]\nmistake = "1"'))
        rig.sink.send_signal(signal.SIGHUP)
        rig.sink.wait_said("the new configuration is wrong")
        write_config(rig.sink.config, rig.basic_config(), layers, own.layer)
        go_on()
        rig.sink.wait_ready()
        look_at_processes(rig, hidden, own)
        address = rig.sink.wait_said(r"(http://\S+/metrics)")[1].rstrip(".")
        told = rig.sink.readyz()[1]
        for path in ("metrics", "", "status.json"):
            with urllib.request.urlopen(address.removesuffix("metrics") + path, timeout=COMMAND_SECONDS) as answer:
                told += answer.read().decode()
        assert "ingest_source_events_total" in told
        assert '"warnings":[{' in told, "of the failures"
        assert hidden.told_in(told) == []
        for command in COMMANDS:
            assert hidden.told_in(output_of(command, rig.sink.config)) == [], command
        assert rig.sink.close() == 0
    log = (tmp_path / "log").read_text()
    assert '"level":"debug"' in log
    assert "503" in log, "no failure of the store was told"
    assert hidden.told_in(log) == []


COMMANDS = (
    ("print-config", "--effective"),
    ("check-config", "--connect"),
    ("checkpoints", "show"),
    ("doctor",),
    ("doctor", "--json"),
)


class Own:
    """What the user himself has put where others may look, and the configuration that goes with it."""

    def __init__(self, layer: Sections, environ: Mapping[str, str]) -> None:
        self.layer = layer
        self.environ = environ


def write_secrets(rig: SinkRig, layers: Sections, monkeypatch: pytest.MonkeyPatch) -> Own:
    """One connection string in the environment, one in a file of its own, the rest in the configuration."""
    endpoints = rig.hub.endpoints
    file = rig.sink.config.parent / "iot-hub"
    file.touch(0o600)
    file.write_text(endpoints.iot_hub_connection_string)
    layer: Sections = {
        "hub": {
            "event_hub_connection_string": "",
            "iot_hub_connection_string": "",
            "iot_hub_connection_string_file": str(file),
        }
    }
    monkeypatch.setenv(VARIABLE, endpoints.event_hub_connection_string_tls)
    write_config(rig.sink.config, rig.basic_config(), layers, layer)
    rig.sink.config.chmod(0o600)
    return Own(layer, {VARIABLE: endpoints.event_hub_connection_string_tls})


def look_at_processes(rig: SinkRig, hidden: Secrets, own: Own) -> None:
    """Arguments and environments of the supervisor and all below it, apart from what the user has set himself."""
    seen = 0
    for pid in (rig.sink.pid, *rig.sink.descendants()):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            variables = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
        except FileNotFoundError:  # it has just ended
            continue
        seen += 1
        assert hidden.told_in(arguments) == [], pid
        beyond = [each for each in variables if each not in {f"{name}={value}" for name, value in own.environ.items()}]
        assert hidden.told_in("\n".join(beyond)) == [], pid
    assert seen >= 6, "supervisor, fork server, two partitions, two sinks"


def output_of(command: tuple[str, ...], config: Path) -> str:
    arguments = [sys.executable, "-m", "ingest", *command, "-c", str(config)]
    ran = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, timeout=COMMAND_SECONDS, check=False)
    assert ran.stdout, ran.stderr
    return ran.stdout + ran.stderr


WRONG = base64.b64encode(b"wrong as it can be of this length").decode()


@pytest.mark.parametrize("wrong", ["event hub", "IoT hub", "storage", "storage token", "Kafka"])
def test_what_is_refused_is_not_told(kafka: KafkaCluster, blob: Azurite, tmp_path: Path, wrong: str) -> None:
    account, token = storage_token(blob)
    with SinkRig(tmp_path, kafka.bootstrap, command="run") as rig:
        endpoints, key = rig.hub.endpoints, rig.hub.keys.service
        signature = token.split("sig=")[1].split("&")[0]
        forged = token.replace(signature, quote(WRONG, safe=""))
        broken: dict[str, Sections] = {
            "event hub": {
                "hub": {"event_hub_connection_string": endpoints.event_hub_connection_string.replace(key, WRONG)}
            },
            "IoT hub": {"hub": {"iot_hub_connection_string": endpoints.iot_hub_connection_string.replace(key, WRONG)}},
            "storage": {
                "checkpoints": {
                    "store": "blob",
                    "blob_connection_string": re.sub("AccountKey=[^;]*", f"AccountKey={WRONG}", blob.connection_string),
                }
            },
            "storage token": {
                "checkpoints": {
                    "store": "blob",
                    "blob_connection_string": f"BlobEndpoint=http://{blob.address}/{account};"
                    f"SharedAccessSignature={forged}",
                }
            },
            "Kafka": {
                "kafka.librdkafka": {
                    '"security.protocol"': "SASL_PLAINTEXT",
                    '"sasl.mechanism"': "PLAIN",
                    '"sasl.username"': "u",
                    '"sasl.password"': PASSWORD,
                    '"debug"': "conf,security",
                    '"log_level"': "7",
                }
            },
        }
        hidden = Secrets(hub=key, wrong=WRONG, signature=signature, password=PASSWORD)
        write_config(rig.sink.config, rig.basic_config(), broken[wrong], {"service": {"log_level": "debug"}})
        rig.sink.start()
        assert hidden.told_in(output_of(("doctor",), rig.sink.config)) == []
        # A broker without logins is a listener of another kind: only another configuration helps.
        assert rig.sink.join() == (EXIT_CONFIG if wrong == "Kafka" else EXIT_UNAVAILABLE)
    assert hidden.told_in((tmp_path / "log").read_text()) == []
