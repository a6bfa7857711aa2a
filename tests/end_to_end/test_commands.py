"""Commands through kills, lost links and a Kafka that restarts: each arrives, and each has one final feedback record."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.commands import message_id
from tests.faults.sink_rig import SinkRig
from tests.faults.waiting import gone, wait_until
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
COMMANDS = int(os.environ.get("COMMANDS", "600"))
RATE = float(os.environ.get("COMMANDS_RATE", "100"))
DEVICES = [f"dev-{number}" for number in range(50)]
PATIENCE = 240.0
ROLES = (("sink", "0"), ("sink", "1"))


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """A broker that may be killed."""
    with KafkaCluster(short_lived=True) as cluster:
        yield cluster


def test_every_command_arrives_and_is_answered_through_faults(
    cluster: KafkaCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two kills of sink processes, five lost links, one restart of Kafka, spread over the run."""
    sink = {"sends_per_second": RATE, "ack": "full"}
    # A dead process's partitions go to the other one soon.
    quick = {'"session.timeout.ms"': "6000"}
    with SinkRig(tmp_path, cluster.bootstrap, {"sink": sink, "kafka.librdkafka": quick}) as rig:
        rig.topics.send(DEVICES, COMMANDS // len(DEVICES))
        total = sum(rig.topics.sent.values())
        rig.sink.start()
        for strike in range(8):
            rig.wait_accepted(total * (strike + 1) // 9)
            match strike:
                case 1 | 5:
                    victim = rig.sink.wait_pids(str(strike // 5), 1, "sink")[-1]
                    os.kill(victim, signal.SIGKILL)
                    assert gone(victim)
                case 3:
                    cluster.kill(1)
                    rig.sink.wait_unready("sink [01]: .*Kafka")
                    cluster.restart(1)
                case _:
                    wait_until(rig.hub.faults.sends.abort_service_connections, "there is no link to lose")
        received = rig.wait_received(seconds=PATIENCE)
        rig.topics.wait_no_lag()
        wanted = {
            message_id(device, number) for device, last in rig.topics.sent.items() for number in range(1, last + 1)
        }
        told: Counter[str] = Counter()

        def all_told() -> bool:
            rig.hub.c2d.flush_feedback()
            read = len(rig.topics.feedback.letters)
            rig.topics.feedback.read_more(0.2)
            for letter in rig.topics.feedback.letters[read:]:
                record = json.loads(letter.value() or b"")
                key = letter.key()
                assert isinstance(key, bytes)
                assert (record["deviceId"], record["status"]) == (key.decode(), "Success")
                told[record["messageId"]] += 1
            return told.keys() >= wanted

        wait_until(all_told, lambda: rig.sink.story(f"{len(wanted - told.keys())} commands have no feedback"), PATIENCE)
        wait_until(lambda: rig.hub.stats().c2d.feedback_batches_waiting == 0, "feedback is left in the hub")
        rig.sink.wait_ready()
        assert rig.sink.close() == 0
        all_told()
        assert told.keys() == wanted
        assert set(told.values()) == {1}, f"told more than once: {told.most_common(5)}"
        assert rig.topics.dead_letters() == 0
    with capsys.disabled():
        print(
            f"\n{total} commands through two kills, five lost links and a restart of Kafka: 0 missing, "
            f"{received.repeats} repeated, {len(told)} final feedback records"
        )
