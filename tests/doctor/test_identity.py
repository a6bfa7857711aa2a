"""The token endpoint is tried by itself, one check for each service, and those of the services need it."""

from dataclasses import replace

import pytest

from ingest.cli import check_config
from ingest.config import Checkpoints, Config, Hub, Identity
from ingest.doctor.check import Finding
from ingest.doctor.identity import judge_life, token_checks
from ingest.doctor.plan import connection_checks
from ingest.doctor.runner import run_checks
from ingest.hub.auth.contract import EVENT_HUBS, IOT_HUB
from ingest.hub.auth.held import HeldTokens
from tests.hub.auth.conftest import endpoint, fake, held
from tests.hub.auth.fake_entra import FakeEntra

__all__ = ["endpoint", "fake", "held"]
PATIENCE = 60.0
CONFIG = Config(
    hub=Hub(event_hub_namespace="localhost:9", event_hub_name="telemetry", iot_hub_host="localhost:9"),
    identity=Identity(auth="managed_identity"),
    checkpoints=Checkpoints(store="file"),
)


@pytest.fixture
def config(fake: FakeEntra, held: HeldTokens, monkeypatch: pytest.MonkeyPatch) -> Config:
    for name, value in fake.environment("managed_identity").items():
        monkeypatch.setenv(name, value)
    return CONFIG


def found(config: Config) -> dict[str, Finding]:
    return {each.check: each for each in run_checks(token_checks(config), seconds=PATIENCE)}


def test_each_token_is_one_line_and_is_held_for_the_other_checks(config: Config, held: HeldTokens) -> None:
    seen = found(config)
    assert {name: (each.result, each.seen) for name, each in seen.items()} == {
        "token for Event Hubs": ("ok", "managed_identity: a token that holds 1.0 h"),
        "token for IoT Hub": ("ok", "managed_identity: a token that holds 1.0 h"),
    }
    assert held.get(EVENT_HUBS).text != held.get(IOT_HUB).text
    assert token_checks(replace(config, identity=Identity())) == []


def test_an_endpoint_that_fails_is_told_with_its_fix(config: Config, fake: FakeEntra) -> None:
    fake.status = 500
    seen = found(config)["token for Event Hubs"]
    assert seen.result == "fail"
    assert seen.seen.startswith("the endpoint for managed identities of this machine gives no token (")
    assert "identity" in seen.fix
    assert "(" not in seen.seen.rpartition(")")[2]


def test_the_checks_of_a_service_need_its_token(config: Config) -> None:
    needs = {check.name: check.needs for check in connection_checks(config)}
    assert "token for Event Hubs" in needs["event hub key"]
    assert "token for IoT Hub" in needs["IoT hub key"]


def test_a_token_that_hardly_holds_makes_the_clock_suspect() -> None:
    assert judge_life(20, "client_secret").result == "warn"
    assert "timedatectl" in judge_life(20, "client_secret").fix


def test_check_config_says_where_the_identity_is_shown(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    check_config.run(config, connect=False)
    assert "identity    managed_identity, for Event Hubs and IoT Hub\n" in capsys.readouterr().out
