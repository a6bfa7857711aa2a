"""The unit files as systemd itself judges them, and what they promise about each other and about ingest."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ingest.config import Config
from ingest.config.example import CREDENTIALS, KAFKA_PASSWORD
from ingest.errors import EXIT_CONFIG, EXIT_UNAVAILABLE
from ingest.process.supervised import ABORT_SECONDS, STALE_SECONDS
from ingest.service.retiring import CHILDREN_SHARE
from tests.services import prerequisites

FOLDER = Path(__file__).parent.parent.parent / "systemd"
SERVICES = ("ingest@.service", "ingest-source@.service", "ingest-sink@.service")
AUDIT = "ingest-audit@.service"
UNITS = (*SERVICES, AUDIT, "ingest-audit@.timer", "ingest.slice", "ingest.target")
PROGRAM = "/opt/ingest/current/bin/ingest"
LARGEST_EXPOSURE = 1.2


def settings(unit: str) -> dict[str, list[str]]:
    """Key → its values in order, of all sections."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / unit).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def seconds(unit: str, key: str) -> float:
    [value] = settings(unit)[key]
    assert value.endswith("s")
    return float(value.removesuffix("s"))


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copies that start a program which is there: systemd-analyze looks for it."""
    program = shutil.which("true") or "/usr/bin/true"
    for unit in UNITS:
        (tmp_path / unit).write_text((FOLDER / unit).read_text().replace(PROGRAM, program))
    return tmp_path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [prerequisites.systemd_analyze(), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_say_about_it(units: Path, unit: str) -> None:
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", units / unit)
    assert (verdict.returncode, verdict.stderr) == (0, "")


def test_a_wrong_unit_would_be_noticed(units: Path) -> None:
    unit = units / SERVICES[0]
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchDog="))
    assert analyze("verify", "--man=no", "--recursive-errors=no", unit).returncode != 0


@pytest.mark.parametrize("unit", [*SERVICES, AUDIT])
def test_it_exposes_little(units: Path, unit: str) -> None:
    verdict = analyze("security", "--offline=true", "--threshold=12", "--no-pager", units / unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", verdict.stdout)
    assert found, verdict.stdout + verdict.stderr
    print(f"{unit}: exposure {found[1]}")
    assert verdict.returncode == 0
    assert float(found[1]) <= LARGEST_EXPOSURE


def test_the_services_differ_in_what_they_run_alone() -> None:
    own = {"Description", "Conflicts", "ExecStart", "RuntimeDirectory", "Environment", "StateDirectory"}
    own.add("StateDirectoryMode")
    first, *others = (
        {key: value for key, value in settings(service).items() if key not in own} for service in SERVICES
    )
    assert others == [first, first]


def test_each_runs_its_command_on_the_file_of_its_instance() -> None:
    for service, command in zip(SERVICES, ("run", "source", "sink"), strict=True):
        assert settings(service)["ExecStart"] == [f"{PROGRAM} {command} -c /etc/ingest/%i.toml"]
        check, signal = settings(service)["ExecReload"]
        credentials = "+/usr/bin/env CREDENTIALS_DIRECTORY=/etc/ingest/%i"
        assert check == f"{credentials} {PROGRAM} check-config -c /etc/ingest/%i.toml"
        assert signal == "/bin/sh -c 'kill -HUP $MAINPID'"


@pytest.mark.parametrize("unit", UNITS)
def test_it_runs_nothing_that_a_bare_debian_lacks(unit: str) -> None:
    """Besides ingest: programs of packages that no Debian is without. /bin/kill is not one of them."""
    programs = {
        value.lstrip("+-!:@").split()[0]
        for key, values in settings(unit).items()
        if key.startswith("Exec")
        for value in values
    }
    assert programs <= {PROGRAM, "/bin/sh", "/usr/bin/env"}


def test_the_audit_is_told_where_its_result_belongs_and_begins_at_night() -> None:
    place = "%t/ingest-audit/%i/ingest-audit-%i.prom"
    assert settings(AUDIT)["ExecStart"] == [
        f"{PROGRAM} audit -c /etc/ingest/%i.toml --yesterday --metrics-file {place}"
    ]
    assert settings(AUDIT)["RuntimeDirectory"] == ["ingest-audit/%i"]
    assert settings(AUDIT)["RestartForceExitStatus"] == [str(EXIT_UNAVAILABLE)]
    timer = settings("ingest-audit@.timer")
    assert (timer["Persistent"], timer["RandomizedDelaySec"]) == (["yes"], ["1h"])
    assert timer["OnCalendar"] == ["*-*-* 01:00:00 UTC"]


def test_both_ways_at_once_excludes_one_way_alone() -> None:
    assert settings("ingest@.service")["Conflicts"] == ["ingest-source@%i.service ingest-sink@%i.service"]
    for service in ("ingest-source@.service", "ingest-sink@.service"):
        assert settings(service)["Conflicts"] == ["ingest@%i.service"]


@pytest.mark.parametrize("service", SERVICES)
def test_budgets_are_in_order(service: str) -> None:
    drain = Config().service.shutdown_seconds
    assert drain * CHILDREN_SHARE < drain < seconds(service, "TimeoutStopSec")
    # The supervisor has had its chance with a hung child before the watchdog could bark.
    assert STALE_SECONDS + ABORT_SECONDS < seconds(service, "WatchdogSec") <= 30


@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_configuration_is_not_tried_again(service: str) -> None:
    """systemd heeds the exit status of the main process alone, so that no other may be the one to find out."""
    known = settings(service)
    assert known["RestartPreventExitStatus"] == [str(EXIT_CONFIG)]
    assert "ExecStartPre" not in known
    assert "ExecCondition" not in known


@pytest.mark.parametrize("service", [*SERVICES, AUDIT])
def test_every_secret_that_the_example_names_is_loaded(service: str) -> None:
    names = [*CREDENTIALS.values(), KAFKA_PASSWORD]
    known = settings(service)
    assert sorted(known["LoadCredential"]) == sorted(f"{name}:/etc/ingest/%i/{name}" for name in names)
    assert sorted(known["SetCredential"]) == sorted(f"{name}:\\n" for name in names)


@pytest.mark.parametrize("service", SERVICES)
def test_its_processes_work_in_batches(service: str) -> None:
    """The unit says so, as its filter of system calls lets no process choose for itself (`ingest.process.scheduling`)."""
    assert settings(service)["CPUSchedulingPolicy"] == ["batch"]


def test_places_to_write_to() -> None:
    """One per unit for the fork server's socket and the send budget, and the checkpoints that two units share."""
    places = [settings(service)["RuntimeDirectory"][0] for service in SERVICES]
    assert len(set(places)) == 3
    for service, place in zip(SERVICES, places, strict=True):
        assert f"TMPDIR=%t/{place}" in settings(service)["Environment"]
    for service in ("ingest@.service", "ingest-source@.service"):
        assert settings(service)["StateDirectory"] == ["ingest/%i"]
        assert "INGEST__CHECKPOINTS__PATH=/var/lib/ingest/%i/checkpoints" in settings(service)["Environment"]
