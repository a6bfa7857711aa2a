"""A whole node with an Entra identity: short tokens, and a token endpoint that stops giving any and comes back."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.emulator.certificate import make_certificate
from ingest.hub.auth.contract import SERVICES
from ingest.process.supervised import STALE_SECONDS
from ingest.timing import Deadline
from tests.faults.commands import message_id
from tests.faults.ingest_process import Sections, write_config
from tests.faults.sink_rig import SinkRig
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import wait_until
from tests.hub.auth.conftest import endpoint, fake
from tests.hub.auth.fake_entra import FakeEntra
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

__all__ = ["endpoint", "fake"]
pytestmark = [pytest.mark.services, pytest.mark.faults]
LIFE = 5
"""Seconds that each token holds."""
RENEWALS = 2
PARTITIONS = ("0", "1")
DEVICES = ("pump", "valve")
SLOTS = {("source", "0"), ("source", "1"), ("sink", "0"), ("sink", "1"), ("feedback", "0")}


@pytest.fixture
def store(tmp_path: Path, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azurite]:
    """One that takes the tokens of an identity. Its authority is in the environment, which `fake` has emptied."""
    (tmp_path / "blob").mkdir()
    certificate = make_certificate(tmp_path / "blob")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(certificate.ca_file))
    with Azurite(certificate=certificate) as made:
        yield made


@pytest.fixture
def node(
    tmp_path: Path, kafka: KafkaCluster, store: Azurite, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SinkRig]:
    """Telemetry, commands, feedback and checkpoints, all with the identity of the machine."""
    for name, value in fake.environment("managed_identity").items():
        monkeypatch.setenv(name, value)
    with SinkRig(tmp_path / "node", kafka.bootstrap, command="run") as rig:
        ends = rig.hub.endpoints
        identity: Sections = {
            "hub": {
                "event_hub_namespace": ends.amqps.removeprefix("amqps://"),
                "event_hub_name": rig.hub.hub.name,
                "iot_hub_host": ends.iot_hub_connection_string.partition("=")[2].partition(";")[0],
                "event_hub_connection_string": "",
                "iot_hub_connection_string": "",
            },
            "identity": {"auth": "managed_identity"},
            "source": {"stall_seconds": 5},
            "checkpoints": {
                "store": "blob",
                "blob_account_url": store.account_url,
                "container": f"identity-{uuid.uuid4().hex}",
                "interval_seconds": 0.5,
            },
            "sink": {"ack": "positive"},
        }
        write_config(rig.sink.config, rig.basic_config(), identity)
        yield rig


def test_nothing_ends_while_tokens_come_and_nothing_is_lost_when_none_does(
    node: SinkRig, kafka: KafkaCluster, fake: FakeEntra
) -> None:
    fake.life = LIFE
    service, hub, feeder = node.sink, node.hub, Feeder(node.hub)

    def feed_until(reached: Callable[[], bool], what: str) -> None:
        def fed() -> bool:
            for partition in PARTITIONS:
                feeder.send(partition, 10)
            node.topics.send(DEVICES, 1)
            hub.c2d.flush_feedback()
            return reached()

        wait_until(fed, lambda: service.story(f"{what}; {len(fake.asked)} tokens were asked for"))

    def attaches() -> tuple[int, int]:
        stats = hub.stats()
        return stats.attaches, stats.c2d.service_link_attaches

    with Topic(kafka.bootstrap, name=f"{node.topics.name}.telemetry") as topic:
        fake.status = 500
        service.start()
        service.wait_unready("the endpoint for managed identities of this machine gives no token")
        fake.status = 200
        service.wait_ready()
        node.wait_shared()
        before, asked = attaches(), len(fake.asked)
        feed_until(lambda: len(fake.asked) >= asked + RENEWALS * len(SERVICES), "tokens are not renewed")
        topic.read(feeder.sent)
        node.wait_once()
        assert attaches() == before, "no link ends for a token's sake"
        assert service.metric("source_reconnects_total") == 0
        assert service.metric("source_checkpoint_failures_total") == 0

        fake.status = 500
        outage = Deadline(STALE_SECONDS)
        for each in SERVICES:
            service.wait_metric("token_failing", 1, service=each.name)
        status, reasons = service.readyz()
        assert (status, "is not renewed" in reasons) == (200, True), "the last token holds"
        for name in ("Event Hubs", "IoT Hub"):
            service.wait_unready(f"the token for {name} ran out .*the endpoint for managed identities of this machine")
        feed_until(lambda: outage.expired, "")
        fake.status = 200
        back = time.time()
        service.wait_ready()
        topic.read(feeder.sent)
        topic.check(feeder.sent)
        assert topic.repeats == 0
    node.wait_received()
    told = node.topics.feedback
    wanted = {message_id(name, number) for name, last in node.topics.sent.items() for number in range(1, last + 1)}

    def all_told() -> bool:
        hub.c2d.flush_feedback()
        told.read_more(0.2)
        return {json.loads(letter.value() or b"")["messageId"] for letter in told.letters} >= wanted

    wait_until(all_told, lambda: service.story(f"feedback: {len(told.letters)} records on {len(wanted)} commands"))
    for partition in PARTITIONS:
        service.wait_metric("source_checkpoint_timestamp_seconds", back, partition=partition)
    assert {slot: len(service.pids(slot[1], slot[0])) for slot in SLOTS} == dict.fromkeys(SLOTS, 1), "none is replaced"
    assert service.metric("process_restarts_total") == 0
    assert node.topics.dead_letters() == 0
    assert "eyJ" not in (Path(service.config.parent) / "log").read_text(), "no token is in the log"
    assert service.close() == 0
