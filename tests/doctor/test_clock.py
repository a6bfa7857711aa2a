"""The clock against services that tell the time, and against the newest event when none does."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ingest.config import Checkpoints, Config, Hub, Secret
from ingest.doctor.check import Verdict
from ingest.doctor.clock import Service, clock_check, judge_by_event, judge_clock, services
from tests.config.samples import BLOB, EVENT_HUB, IOT_HUB
from tests.services.http_server import Handler, HttpServer


@pytest.fixture
def storage() -> Iterator[Config]:
    """Checkpoints in a storage account that refuses everything and tells the time."""

    class Storage(Handler):
        def serve(self) -> None:
            self.answer(400, b"")

    with HttpServer(Storage) as server:
        yield config_with(server.server_port)


def config_with(port: int) -> Config:
    address = f"AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:{port}/a"
    return Config(checkpoints=Checkpoints(blob_connection_string=Secret(address)))


def asked(config: Config, *, off: float, newest: datetime | None = None) -> Verdict:
    return clock_check(config, lambda: time.time() + off, lambda: newest, ()).ask()


@pytest.mark.parametrize(
    ("off", "result", "seen"),
    [
        (0.0, "ok", "127.0.0.1"),
        (-20.0, "ok", "20 s behind 127.0.0.1"),
        (60.0, "warn", "60 s ahead of 127.0.0.1"),
        (-3_600.0, "fail", "3600 s behind 127.0.0.1"),
        (400.0, "fail", "400 s ahead of 127.0.0.1: tokens made with it are refused"),
    ],
)
def test_a_service_that_tells_the_time(storage: Config, off: float, result: str, seen: str) -> None:
    verdict = asked(storage, off=off)
    assert verdict.result == result
    # The header has whole seconds.
    shown = [f"{abs(off) + error:.0f} s" for error in (-1, 0, 1)]
    assert any(seen.replace(f"{abs(off):.0f} s", each) in verdict.seen for each in shown)
    assert ("timedatectl" in verdict.fix) == (result != "ok")


@pytest.mark.parametrize(
    ("event_off", "result"),
    [(timedelta(minutes=10), "fail"), (timedelta(minutes=1), "warn"), (-timedelta(seconds=3), "ok"), (None, "warn")],
)
def test_nobody_tells_the_time(event_off: timedelta | None, result: str) -> None:
    newest = None if event_off is None else datetime.now(UTC) + event_off
    verdict = asked(Config(checkpoints=Checkpoints(store="file")), off=0, newest=newest)
    assert verdict.result == result
    assert verdict.fix or result == "ok"


def test_an_old_event_says_nothing() -> None:
    assert judge_by_event(-86_400).result == "warn"


@pytest.mark.parametrize(("off", "result"), [(30, "ok"), (31, "warn"), (299, "warn"), (300, "fail")])
def test_limits(off: int, result: str) -> None:
    assert judge_clock(off, "hub").result == result
    assert judge_clock(-off, "hub").result == result


def test_who_is_asked() -> None:
    everything = Config(
        hub=Hub(Secret(EVENT_HUB), Secret(IOT_HUB)), checkpoints=Checkpoints(blob_connection_string=Secret(BLOB))
    )
    assert services(everything) == [
        Service("a.azure-devices.net", 443, True),
        Service("ihsuprod.servicebus.windows.net", 443, True),
        Service("a.blob.core.windows.net", 443, True),
    ]
    emulated = Secret(
        EVENT_HUB.replace("servicebus.windows.net", "servicebus.windows.net:5672") + ";UseDevelopmentEmulator=true"
    )
    assert services(Config(hub=Hub(emulated), checkpoints=Checkpoints(store="file"))) == []
    assert services(Config(checkpoints=Checkpoints(blob_connection_string=Secret("nonsense")))) == []
