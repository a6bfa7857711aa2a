"""The notify protocol over a real datagram socket, with a clock of ours."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.service.systemd import EXTEND_EVERY_SECONDS, LONGEST_STATUS, Notifier
from tests.process.scarce import no_more_descriptors_than
from tests.systemd.notify_socket import NotifySocket

EXTEND = "EXTEND_TIMEOUT_USEC=30000000"


class Service:
    """A notifier whose time is in our hands."""

    def __init__(self, systemd: NotifySocket, **environ: str) -> None:
        self.now = 1_000.0
        self.systemd = systemd
        self.environ = {"NOTIFY_SOCKET": systemd.address, "PATH": "/bin", **environ}
        self.notifier = Notifier(self.environ, clock=lambda: self.now)

    def poll(self, after: float = 0.0, *, ready: bool = True, coping: bool = True, status: str = "") -> list[str]:
        """What one turn of the loop tells, `after` seconds later."""
        self.now += after
        self.notifier.poll(ready=ready, coping=coping, status=status)
        return self.systemd.take()


@pytest.fixture(params=[False, True], ids=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifySocket]:
    with NotifySocket(tmp_path, abstract=request.param) as made:
        yield made


def test_ready_is_told_once_and_only_when_it_is(systemd: NotifySocket) -> None:
    service = Service(systemd)
    assert "READY=1" not in service.poll(ready=False)
    assert "READY=1" in service.poll(1.0)
    assert service.poll(1.0) == []
    assert service.poll(1.0, ready=False) == [], "once ready, trouble is a matter of the status line"


def test_more_time_is_asked_for_while_it_starts_and_copes(systemd: NotifySocket) -> None:
    service = Service(systemd)
    assert service.poll(ready=False) == [EXTEND]
    assert service.poll(1.0, ready=False) == []
    assert service.poll(EXTEND_EVERY_SECONDS, ready=False) == [EXTEND]
    assert service.poll(EXTEND_EVERY_SECONDS, ready=False, coping=False) == []
    assert service.poll(0.0) == ["READY=1"]
    assert service.poll(60.0) == []


def test_the_watchdog_is_fed_at_half_its_time_and_only_while_coping(systemd: NotifySocket) -> None:
    service = Service(systemd, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
    assert service.poll() == ["READY=1", "WATCHDOG=1"]
    assert service.poll(14.0) == []
    assert service.poll(1.0) == ["WATCHDOG=1"]
    assert service.poll(20.0, coping=False) == []
    assert service.poll(0.5) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}],
    ids=["no watchdog", "the watchdog of another process", "not a number", "switched off"],
)
def test_a_watchdog_that_is_not_ours_is_left_alone(systemd: NotifySocket, environ: dict[str, str]) -> None:
    assert Service(systemd, **environ).poll() == ["READY=1"]


def test_who_has_no_free_descriptor_feeds_the_watchdog_all_the_same(systemd: NotifySocket) -> None:
    service = Service(systemd, WATCHDOG_USEC="10000000")
    with no_more_descriptors_than(0):
        assert "WATCHDOG=1" in service.poll(6.0)
        assert "STATUS=x" in service.poll(6.0, status="x")


def test_the_status_is_one_line_told_when_it_changes(systemd: NotifySocket) -> None:
    service = Service(systemd)
    assert service.poll(status="receiving 1\n of 2") == ["STATUS=receiving 1 of 2", "READY=1"]
    assert service.poll(5.0, status="receiving 1 of 2") == []
    assert service.poll(5.0, status="a") == ["STATUS=a"]
    assert service.poll(0.1, status="b") == [], "not more than once a second"
    assert service.poll(1.0, status="c") == ["STATUS=c"]
    assert service.poll(1.0, status="\x1b[2J") == ["STATUS=\\x1b[2J"]
    assert service.poll(1.0, status="é" * 1_000) == ["STATUS=" + "é" * LONGEST_STATUS]


def test_the_status_is_in_step_with_ready(systemd: NotifySocket) -> None:
    service = Service(systemd)
    service.poll(ready=False, status="starting")
    assert service.poll(0.1, status="receiving") == ["STATUS=receiving", "READY=1"]


def test_a_reload_is_told_with_its_time_and_ends_when_all_is_ready_again(systemd: NotifySocket) -> None:
    service = Service(systemd)
    service.poll()
    service.notifier.reloading()
    assert systemd.take() == ["RELOADING=1\nMONOTONIC_USEC=1000000000"]
    assert service.poll(ready=False) == [EXTEND]
    assert service.poll(1.0) == ["READY=1"]


def test_draining_gets_more_time_and_is_not_called_ready(systemd: NotifySocket) -> None:
    service = Service(systemd)
    service.poll()
    service.notifier.stopping()
    assert systemd.take() == ["STOPPING=1"]
    assert service.poll(status="draining") == ["STATUS=draining", EXTEND]
    assert service.poll(EXTEND_EVERY_SECONDS, status="draining") == [EXTEND]
    service.notifier.close("stopped")
    assert systemd.take() == ["STATUS=stopped"]
    assert service.poll(60.0) == [], "closed"


def test_what_systemd_could_not_take_is_said_at_the_next_turn(tmp_path: Path) -> None:
    with NotifySocket(tmp_path) as systemd:
        service = Service(systemd)
        hidden = Path(systemd.address).rename(tmp_path / "elsewhere")
        assert service.poll() == []
        hidden.rename(systemd.address)
        assert service.poll() == ["READY=1"]


def test_no_child_inherits_the_socket(systemd: NotifySocket) -> None:
    service = Service(systemd, WATCHDOG_USEC="1", WATCHDOG_PID="1")
    assert service.environ == {"PATH": "/bin"}


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_without_a_socket_of_ours_it_is_silent(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"})
    notifier.poll(ready=True, coping=True, status="receiving")
    notifier.reloading()
    notifier.stopping()
    notifier.close("stopped")
