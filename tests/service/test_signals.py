"""The queue of signals between handlers and the loop."""

import signal
from collections.abc import Iterator

import pytest

from ingest import early_signals
from ingest.service.signals import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    made = Signals()
    yield made
    signal.set_wakeup_fd(-1)
    made.readable.close()
    made._writable.close()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_many_reloads_are_one(signals: Signals) -> None:
    for _ in range(5):
        signal.raise_signal(signal.SIGHUP)
    assert signals.take() == signal.SIGHUP
    assert signals.take() is None


def test_a_stop_comes_before_the_reloads_that_wait(signals: Signals) -> None:
    for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
        signal.raise_signal(number)
    assert signals.take() == signal.SIGTERM


def test_a_reload_that_came_before_the_service_listened_is_done(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(early_signals, "_reloads", [signal.SIGHUP])
    signals: Signals = request.getfixturevalue("signals")
    assert signals.take() == signal.SIGHUP
    assert signals.take() is None
