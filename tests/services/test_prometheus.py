"""tests.services.prometheus: a real server answers queries, and says why it refuses one."""

from pathlib import Path

import pytest

from tests.faults.waiting import wait_until
from tests.services import ServiceError, prerequisites, prometheus_programs
from tests.services.ports import ReservedPort
from tests.services.prometheus import Prometheus

pytestmark = pytest.mark.services


def test_it_scrapes_its_target_every_second() -> None:
    nobody = ReservedPort()
    with Prometheus(nobody.address, job="somebody") as prometheus:

        def up() -> list[str]:
            return [sample["value"][1] for sample in prometheus.query('up{job="somebody"}')]

        wait_until(lambda: up() == ["0"], lambda: f"up is {up()}")
    nobody.close()


def test_a_refused_query_says_why() -> None:
    nobody = ReservedPort()
    with Prometheus(nobody.address) as prometheus, pytest.raises(ServiceError, match="parse error"):
        prometheus.query("sum(")
    nobody.close()


def test_programs_of_the_system_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prometheus", "promtool"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert prometheus_programs.promtool() == str(tmp_path / "promtool")
    (tmp_path / "promtool").unlink()
    assert prometheus_programs.prometheus() != str(tmp_path / "prometheus"), "one alone may not fit the other"


def test_without_apt_the_message_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match=r"^The package prometheus is missing, .*: install it\.$"):
        prerequisites.unpack("prometheus", tmp_path)
