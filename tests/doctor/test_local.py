"""Modes of files with secrets, and the metrics port."""

import errno
import socket
from pathlib import Path

import pytest

from ingest.config import Metrics
from ingest.doctor.local import ask_decoder, ask_metrics_port, ask_secret_files, judge_metrics_port, partitions_read
from ingest.metrics.catalogue import BUILD_INFO, PROCESS_UP
from ingest.metrics.http import Exposition
from ingest.metrics.registry import Registry
from ingest.source import hot_path
from tests.config.samples import EVENT_HUB, written


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path)


def test_the_compiled_core_is_there() -> None:
    verdict = ask_decoder()
    assert (verdict.result, verdict.seen) == ("ok", hot_path.sentence().rstrip("."))


def test_a_core_that_was_not_built_is_told_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_path, "_ENCODERS", {})
    monkeypatch.setattr(hot_path, "WHY_PYTHON", "the compiled core was not built (No module named 'x')")
    monkeypatch.delenv(hot_path.ENVIRONMENT, raising=False)
    verdict = ask_decoder()
    assert verdict.result == "warn"
    assert "the compiled core was not built" in verdict.seen
    assert "python3-dev" in verdict.fix
    monkeypatch.setenv(hot_path.ENVIRONMENT, "python")
    assert ask_decoder().result == "ok"


def test_secrets_for_this_user_alone(file: Path) -> None:
    verdict = ask_secret_files(file, {})
    assert (verdict.result, verdict.seen) == ("ok", f"{file}: not for every user")


@pytest.mark.parametrize(
    ("mode", "result", "fix"), [(0o640, "ok", ""), (0o644, "warn", "chmod o-r "), (0o602, "fail", "chmod o-w ")]
)
def test_a_configuration_with_secrets(file: Path, mode: int, result: str, fix: str) -> None:
    file.chmod(mode)
    verdict = ask_secret_files(file, {})
    assert verdict.result == result
    assert verdict.fix == (f"{fix}{file}" if fix else "")


def test_a_configuration_without_secrets_may_be_read_but_not_written_by_all(file: Path) -> None:
    file.write_text('[hub]\nca_file = "ca.pem"\n[kafka.librdkafka]\n"sasl.username" = "u"\n')
    file.chmod(0o644)
    assert ask_secret_files(file, {}).seen == "no file holds a secret"
    file.chmod(0o646)
    assert ask_secret_files(file, {}).result == "fail"


@pytest.mark.parametrize("through", ["file", "environment", "credentials"])
def test_a_secret_in_a_file_of_its_own(file: Path, through: str) -> None:
    secret = file.parent / "event-hub"
    secret.write_text(EVENT_HUB)
    secret.chmod(0o644)
    environ = {}
    file.write_text('[hub]\nevent_hub_connection_string_file = "event-hub"\n')
    if through == "environment":
        file.write_text("")
        environ = {"INGEST__HUB__EVENT_HUB_CONNECTION_STRING_FILE": str(secret)}
    if through == "credentials":
        (file.parent / "credentials").mkdir()
        secret = secret.rename(file.parent / "credentials" / "event-hub")
        environ = {"CREDENTIALS_DIRECTORY": str(secret.parent)}
    verdict = ask_secret_files(file, environ)
    assert (verdict.result, verdict.fix) == ("warn", f"chmod o-r {secret}")
    secret.chmod(0o400)
    assert ask_secret_files(file, environ).result == "ok"


def test_a_librdkafka_password_counts(file: Path) -> None:
    file.write_text('[kafka.librdkafka]\n"sasl.password" = "p"\n')
    file.chmod(0o644)
    assert ask_secret_files(file, {}).result == "warn"


def test_no_file_at_all() -> None:
    assert ask_secret_files(None, {}).result == "ok"


def test_a_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    verdict, running = ask_metrics_port(Metrics(port=port))
    assert (verdict.result, running) == ("ok", False)
    assert "is free" in verdict.seen


def test_any_port() -> None:
    assert ask_metrics_port(Metrics(port=0))[0].seen == "any free one of 127.0.0.1"


def test_a_port_of_another_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        verdict, running = ask_metrics_port(Metrics(port=taken.getsockname()[1]))
    assert (verdict.result, running) == ("fail", False)
    assert "metrics.port" in verdict.fix


def test_a_port_of_an_ingest_that_runs() -> None:
    registry = Registry()
    registry.set(BUILD_INFO, 1, "1", "3")
    for role, slot, up in (("source", "0", 1), ("source", "1", 0), ("source", "12", 1), ("sink", "3", 1)):
        registry.set(PROCESS_UP, up, role, slot)
    exposition = Exposition(registry, healthy=lambda: True, unready=list, host="127.0.0.1", port=0)
    exposition.start()
    try:
        verdict, running = ask_metrics_port(Metrics(port=exposition.port))
        assert partitions_read(Metrics(port=exposition.port)) == ["0", "12"]
    finally:
        exposition.close()
    assert (verdict.result, running) == ("ok", True)
    assert "taken by an ingest" in verdict.seen


def test_nobody_reads_where_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert partitions_read(Metrics(port=port)) == []


def test_an_address_that_is_not_ours() -> None:
    verdict, _ = ask_metrics_port(Metrics(host="192.0.2.1", port=9464))
    assert verdict.result == "fail"
    assert "metrics.host" in verdict.fix
    assert ask_metrics_port(Metrics(host="no-such-host.invalid", port=9464))[0].result == "fail"
    assert "1024" in judge_metrics_port(Metrics(port=80), errno.EACCES, ingest=False).fix
