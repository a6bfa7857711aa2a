from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.commands import check_config
from ingest.config import At, Config, load
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE, ConfigError
from ingest.source import probe
from tests.config.samples import COMPLETE


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "ingest.toml"
    path.write_text(COMPLETE)
    path.chmod(0o600)
    return load(path, environ={}, for_command="check-config")


def test_a_right_configuration_is_summed_up(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(config, source=replace(config.source, start=At(datetime(2024, 5, 1, tzinfo=UTC))))
    assert check_config.run(config, connect=False) == EXIT_OK
    shown = capsys.readouterr().out
    assert shown.startswith("ok\n")
    assert "iothub-ehub-a-1 at ihsuprod.servicebus.windows.net" in shown
    assert "from 2024-05-01T00:00:00+00:00" in shown
    assert "s3cr3t" not in shown


@dataclass(frozen=True)
class _Result:
    name: str
    ok: bool
    detail: str


@pytest.mark.parametrize(("kafka_ok", "code"), [(True, EXIT_OK), (False, EXIT_UNAVAILABLE)])
def test_connect_tries_every_service(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kafka_ok: bool, code: int
) -> None:
    results = [_Result("kafka", kafka_ok, "3 brokers"), _Result("hub", True, "4 partitions")]
    monkeypatch.setattr(probe, "probe_connections", lambda config: results)
    assert check_config.run(config, connect=True) == code
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert lines == [f"{'ok    ' if kafka_ok else 'failed'}  kafka: 3 brokers", "ok      hub: 4 partitions"]


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
    with pytest.raises(ConfigError, match="ingest doctor"):
        check_config.run(config, connect=True)
