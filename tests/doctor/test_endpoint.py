"""Names, ports and certificates, against sockets of this machine and the emulator's certificate."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.doctor.check import Finding
from ingest.doctor.endpoint import endpoint_checks, judge_port
from ingest.doctor.runner import run_checks
from ingest.emulator import Emulator
from ingest.emulator.certificate import make_certificate
from ingest.hub.network.route import Route
from ingest.hub.tls import certificate_fault, event_hub_context, iot_hub_context

KEY = "hub.event_hub_connection_string"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1) as made:
        yield made


def port_of(emulator: Emulator) -> int:
    return int(emulator.endpoints.amqps.rpartition(":")[2])


def look(host: str, port: int, ca_file: Path | None) -> dict[str, Finding]:
    checks = endpoint_checks("hub", Route(host, port), KEY, lambda: event_hub_context(ca_file))
    return {finding.check: finding for finding in run_checks(checks)}


def test_a_healthy_endpoint(emulator: Emulator) -> None:
    findings = look("localhost", port_of(emulator), Path(emulator.endpoints.ca_file))
    assert {name: finding.result for name, finding in findings.items()} == {
        "hub DNS": "ok",
        "hub port": "ok",
        "hub TLS": "ok",
    }
    assert findings["hub TLS"].seen.startswith("TLSv1.")
    assert "GMT" in findings["hub TLS"].seen


def test_a_name_that_nobody_has() -> None:
    finding = look("no-such-host.invalid", 5671, None)["hub DNS"]
    assert finding.result == "fail"
    assert "no-such-host.invalid has no address" in finding.seen
    assert KEY in finding.fix


def test_a_closed_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        findings = look("127.0.0.1", port, None)
    assert findings["hub port"].result == "fail"
    assert f"127.0.0.1:{port}: connection refused" in findings["hub port"].seen
    assert f"TCP port {port}" in findings["hub port"].fix
    assert findings["hub TLS"].result == "skipped"


def test_a_firewall_that_lets_https_through_is_named() -> None:
    verdict = judge_port("a.azure-devices.net", 5671, 2.0, "no answer", "", KEY)
    assert verdict.result == "fail"
    assert "firewall" in verdict.fix
    assert "5671" in verdict.fix


def test_an_authority_that_is_not_trusted(emulator: Emulator) -> None:
    finding = look("localhost", port_of(emulator), None)["hub TLS"]
    assert finding.result == "fail"
    assert "hub.ca_file" in finding.fix


def test_a_certificate_of_another_name(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, ("elsewhere",))
    context = certificate.server_context()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            server.accept()[0].close()  # of the check of the port
            connection, _ = server.accept()
            # The client does not like what it sees.
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=answer)
        thread.start()
        finding = look("127.0.0.1", server.getsockname()[1], certificate.ca_file)["hub TLS"]
        thread.join()
    assert finding.result == "fail"
    assert "write the host name that is in the certificate; 127.0.0.1 is not" in finding.fix


def test_a_ca_file_without_a_certificate(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    finding = look("localhost", port_of(emulator), tmp_path / "ca.pem")["hub TLS"]
    assert finding.result == "fail"
    assert "hub.ca_file holds no certificate" in finding.seen


@pytest.mark.parametrize(
    ("code", "fix"), [(9, "clock"), (10, "clock"), (62, "host name"), (64, "host name"), (20, "ca_file")]
)
def test_what_openssl_refuses(code: int, fix: str) -> None:
    verdict = certificate_fault("a", code, "words of OpenSSL")
    assert "words of OpenSSL" in verdict.seen
    assert fix in verdict.fix


def test_a_port_that_speaks_no_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()  # of the check of the port
            connection.close()
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        finding = look("127.0.0.1", server.getsockname()[1], None)["hub TLS"]
        thread.join()
    assert finding.result == "fail"
    assert "no TLS at 127.0.0.1" in finding.seen


def test_without_tls_there_is_no_such_check() -> None:
    plain = endpoint_checks("hub", Route("127.0.0.1", 1, tls=False), KEY, lambda: event_hub_context(None))
    assert [check.name for check in plain] == ["hub DNS", "hub port"]


def test_the_sink_trusts_the_systems_authorities_too(emulator: Emulator) -> None:
    ca_file = Path(emulator.endpoints.ca_file)
    assert iot_hub_context(ca_file).cert_store_stats()["x509"] >= event_hub_context(ca_file).cert_store_stats()["x509"]
    assert event_hub_context(ca_file).cert_store_stats()["x509"] == 1
