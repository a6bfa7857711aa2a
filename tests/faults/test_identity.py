"""A source with an Entra identity: short tokens, and a token endpoint that stops answering and comes back."""

from pathlib import Path

import pytest

from ingest.emulator import Emulator
from tests.faults.conftest import Configure
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import wait_until
from tests.hub.auth.conftest import endpoint, fake
from tests.hub.auth.fake_entra import FakeEntra

__all__ = ["endpoint", "fake"]
pytestmark = [pytest.mark.services, pytest.mark.faults]
LIFE = 5
"""Seconds that each token holds."""
RENEWALS = 2
PARTITIONS = ("0", "1")


def test_nothing_ends_while_tokens_come_and_nothing_is_lost_when_none_does(
    configure: Configure,
    hub: Emulator,
    feeder: Feeder,
    topic: Topic,
    fake: FakeEntra,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake.life = LIFE
    for name, value in fake.environment("managed_identity").items():
        monkeypatch.setenv(name, value)
    ends = hub.endpoints
    source = configure(
        {
            "hub": {
                "event_hub_connection_string": "",
                "event_hub_namespace": ends.amqps.removeprefix("amqps://"),
                "event_hub_name": hub.hub.name,
                "ca_file": ends.ca_file,
            },
            "identity": {"auth": "managed_identity"},
        }
    )
    source.start()
    source.wait_ready()

    def feed_until_asked(times: int) -> None:
        asked = len(fake.asked)

        def enough() -> bool:
            for partition in PARTITIONS:
                feeder.send(partition, 10)
            return len(fake.asked) >= asked + times

        wait_until(enough, lambda: source.story(f"{len(fake.asked) - asked} tokens were asked for"))

    feed_until_asked(RENEWALS)
    topic.read(feeder.sent)
    assert sum(source.metric("source_reconnects_total", partition=each) for each in PARTITIONS) == 0

    fake.status = 500
    source.wait_metric("token_failing", 1, service="event_hubs")
    assert source.readyz()[0] == 200, "the last token holds"
    assert "is not renewed" in source.readyz()[1]
    source.wait_unready("the token for Event Hubs ran out .*the endpoint for managed identities of this machine")
    feed_until_asked(1)
    fake.status = 200
    source.wait_ready()
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    assert topic.repeats == 0
    assert [len(source.pids(each)) for each in PARTITIONS] == [1, 1], "no process is replaced"
    assert source.metric("process_restarts_total") == 0
    assert "eyJ" not in (Path(source.config.parent) / "log").read_text(), "no token is in the log"
    assert source.close() == 0
