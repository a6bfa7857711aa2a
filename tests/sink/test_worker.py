"""One sink process, in this process: records in a mock cluster, devices of an emulated hub, a real `Child` on a pipe."""

import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from ingest.config import Config, Kafka, SchemaRegistry, Secret
from ingest.emulator import Emulator
from ingest.errors import Refused, RestartRequired, Undeliverable
from ingest.kafka.mock_cluster import MockCluster
from ingest.metrics import catalogue as m
from ingest.metrics.bottleneck import Part
from ingest.metrics.registry import Registry
from ingest.process.child import Child, ProcessSpec
from ingest.sink import worker
from ingest.sink.commands.command import Command
from ingest.sink.commands.plain import plain_command
from ingest.sink.intake.read_ahead import FETCH
from ingest.sink.intake.ticket import Ticket
from ingest.sink.pacing import device_queues, shared_rate
from ingest.sink.pacing.device_queues import DeviceQueues
from ingest.sink.sending.sender import Sender
from ingest.sink.sending.stall_guard import StallGuard
from ingest.sink.worker import Worker
from ingest.timing import Backoff, Deadline
from tests.kafka.toy_registry import ToyRegistry
from tests.sink.hub import hub_of
from tests.sink.transports import BOTH, Transport

PATIENCE = 60.0
DEVICES = 20
_numbers = count(1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.set_group_delay(0)
        yield made


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True, known_devices=[f"d{number}" for number in range(DEVICES)]) as emulator:
        yield emulator


class Bench:
    """Topics, group and budget of one test, and the workers that it starts."""

    def __init__(self, cluster: MockCluster, hub: Emulator, transport: Transport) -> None:
        number = next(_numbers)
        self.hub = hub
        self.bootstrap = cluster.bootstrap
        self.topic, self.dead = f"iotout-{number}", f"dead-{number}"
        cluster.create_topic(self.topic, 2)
        cluster.create_topic(self.dead, 1)
        base = Config()
        self.config = replace(
            base,
            hub=hub_of(hub),
            # The mock cluster's group waits for a member that has left until its session ends.
            kafka=Kafka(bootstrap_servers=cluster.bootstrap, librdkafka={"session.timeout.ms": "4000"}),
            sink=replace(
                base.sink,
                topics=(self.topic,),
                dead_letter_topic=self.dead,
                group_id=f"sink-{number}",
                transport=transport,
            ),
        )
        self.budget = shared_rate.create(10_000, time.monotonic())
        self.registry = Registry()
        self.told: list[tuple[bool, str]] = []
        """What the supervisor was told: ready, and why not."""
        self.unsaved: list[str] = []
        self.child: Child | None = None
        self._producer = Producer({"bootstrap.servers": cluster.bootstrap, "linger.ms": 0})
        self._ends: list[Connection] = []
        self._running: list[Worker] = []

    def write(self, *values: dict[str, object] | bytes | None) -> None:
        """Records of one device in one partition, as any producer with the device as key does it."""
        for value in values:
            device = value.get("deviceId") if isinstance(value, dict) else None
            raw = json.dumps(value).encode() if isinstance(value, dict) else value
            partition = int(device[1:]) % 2 if isinstance(device, str) else 0
            self._producer.produce(self.topic, raw, None if device is None else str(device).encode(), partition)
        assert self._producer.flush(PATIENCE) == 0

    def start(self) -> Worker:
        here, there = Pipe()
        self._ends += [here, there]
        task = ProcessSpec("sink", "0", "ingest.sink.worker:run", self.config, shared={"budget": str(self.budget.path)})
        self.child = Child(task, there)
        made = Worker(self.child)
        made.start()
        self._running.append(made)
        return made

    def turn(self, made: Worker, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, (made.counts, made.sender.trouble, self.hub.c2d.stats())
            made.poll()
            self.listen()

    def listen(self) -> None:
        here = self._ends[-2]
        while here.poll():
            match here.recv():
                case ("beat", ready, detail, snapshot):
                    self.told.append((ready, detail))
                    self.registry.apply(snapshot)
                case ("unsaved", sentence):
                    self.unsaved.append(sentence)

    def close(self, made: Worker, seconds: float = PATIENCE) -> None:
        self._running.remove(made)
        made.close(Deadline(seconds))
        self.listen()

    def clean(self) -> None:
        for made in list(self._running):
            self.close(made, 1.0)
        for end in self._ends:
            end.close()

    def bodies(self) -> dict[str, list[str]]:
        received: dict[str, list[str]] = {}
        for delivery in self.hub.c2d.consumed():
            received.setdefault(delivery.device_id, []).append(delivery.body.decode())
        return received

    def committed(self) -> int:
        asker = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.config.sink.group_id})
        try:
            places = [TopicPartition(self.topic, partition) for partition in range(2)]
            return sum(max(0, place.offset) for place in asker.committed(places, timeout=PATIENCE))
        finally:
            asker.close()

    def dead_letters(self, expected: int) -> list[tuple[dict[str, str], bytes | None]]:
        """(headers, value) of each."""
        reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader"})
        reader.assign([TopicPartition(self.dead, 0, 0)])
        letters: list[tuple[dict[str, str], bytes | None]] = []
        deadline = Deadline(PATIENCE)
        try:
            while len(letters) < expected:
                assert not deadline.expired, letters
                for message in reader.consume(100, 0.1):
                    assert message.error() is None
                    headers = message.headers() or []
                    assert isinstance(headers, list)
                    value = message.value()
                    letters.append(
                        (
                            {name: raw.decode() for name, raw in headers if isinstance(raw, bytes)},
                            value.encode() if isinstance(value, str) else value,
                        )
                    )
            return letters
        finally:
            reader.close()


@pytest.fixture
def bench(
    cluster: MockCluster, hub: Emulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Bench]:
    # The mock cluster does not answer the question for a topic's limit, which would be waited for.
    monkeypatch.setattr("ingest.kafka.dead_letters.topic.max_record_bytes", lambda *_: None)
    made = Bench(cluster, hub, getattr(request, "param", "fast"))
    yield made
    made.clean()


over_both = pytest.mark.parametrize("bench", BOTH, indirect=True)
"""Of what depends on the link: whichever transport carries it."""


def good(number: int, **more: object) -> dict[str, object]:
    return {"deviceId": f"d{number % DEVICES}", "message": str(number), "messageId": f"m{number}", **more}


def test_a_command_in_avro_waits_for_its_schema_and_the_others_behind_it(bench: Bench) -> None:
    bench.hub.c2d.auto_complete()
    fields = [{"name": name, "type": "string"} for name in ("deviceId", "message")]
    schema = json.dumps({"type": "record", "name": "Cmd", "fields": fields})
    with ToyRegistry() as registry:
        registry.answers["/schemas/ids/7"] = 503, b'{"message": "starting"}'
        bench.config = replace(
            bench.config, kafka=replace(bench.config.kafka, schema_registry=SchemaRegistry(url=registry.url))
        )
        avro = [b"\0\0\0\0\x07\x04d2\x02" + text for text in (b"a", b"c")]
        bench.write(good(0), avro[0], {"deviceId": "d2", "message": "b"}, avro[1], b"\0\0\0\0\x08\x02x")
        made = bench.start()
        bench.turn(made, lambda: any("is busy or broken" in told and not ready for ready, told in bench.told))
        assert made.counts["sent"] <= 1, "what is before it in the partition"
        assert made.commands.lag >= 4, "nothing behind it is finished"
        registry.versions["iotout-value"] = [(7, schema)]
        del registry.answers["/schemas/ids/7"]
        bench.turn(made, lambda: made.counts["sent"] == 4 and made.counts["dead_letter"] == 1)
    bench.turn(made, lambda: bench.bodies().get("d2") == ["a", "b", "c"])
    [(headers, value)] = bench.dead_letters(1)
    assert headers["ingest-reason"] == "unknown_schema"
    assert value == b"\0\0\0\0\x08\x02x"


def test_good_bad_and_tombstones_mixed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.hub.c2d.auto_complete()
    bad: dict[str, dict[str, object] | bytes] = {
        "malformed": b"not json",
        "invalid_device_id": {"message": "to whom?"},
        "unknown_field": good(1, expirytime="2020-01-01T00:00:00Z"),
        "module_unsupported": good(1, moduleId="m"),
        "invalid_property": good(1, properties={"a": [1]}),
        "invalid_expiry": good(1, expiryTime="soon"),
        "expired": good(1, expiryTime="2020-01-01T00:00:00Z"),
        "too_large": good(1, message="x" * 66_000),
        "device_not_found": {"deviceId": "d999", "message": "x"},
    }
    for number in range(200):
        bench.write(good(number, priority=1) if number % 50 == 0 else good(number))
        if number % 20 == 0:
            bench.write(None, *list(bad.values())[number // 20 : number // 20 + 1])
    made = bench.start()
    bench.turn(made, lambda: made.counts["sent"] == 200 and made.counts["dead_letter"] == 9)
    bench.turn(made, lambda: made.commands.lag == 0)
    assert made.counts["tombstone"] == 10
    assert bench.bodies() == {
        f"d{device}": [str(number) for number in range(device, 200, DEVICES)] for device in range(DEVICES)
    }
    letters = bench.dead_letters(9)
    assert sorted(headers["ingest-reason"] for headers, _ in letters) == sorted(bad)
    by_reason = {headers["ingest-reason"]: value for headers, value in letters}
    assert by_reason["malformed"] == b"not json"
    [told] = [line for line in caplog.messages if "no part of a command" in line]
    assert "the key 'priority' is" in told
    bench.close(made)
    assert bench.committed() == 219
    assert bench.told[-1] == (False, "stopped")


def test_a_command_whose_dead_letter_is_too_large_for_the_client_is_freed(bench: Bench) -> None:
    """confluent-kafka 2.16 never frees an exception that is being handled when its client raises another."""
    bench.write(*[b"x" * 999_950] * 3)
    made = bench.start()
    bench.turn(made, lambda: made.counts["dead_letter"] == 3)
    assert [value for _, value in bench.dead_letters(3)] == [b""] * 3
    bench.close(made)
    gc.collect()
    assert not [left for left in gc.get_objects() if isinstance(left, Undeliverable)]


@over_both
def test_a_transient_rejection_is_sent_again_in_the_order_of_its_device(bench: Bench) -> None:
    bench.hub.c2d.auto_complete()
    faults = bench.hub.faults.sends
    faults.reject_send("com.microsoft:device-container-throttled", "slow down", count=2, device_id="d3")
    faults.release_send(after=1, device_id="d4")
    faults.cut_service_link(40, how="abort")
    bench.write(*(good(number) for number in range(100)))
    made = bench.start()
    bench.turn(made, lambda: made.counts["sent"] == 100)
    for device, bodies in bench.bodies().items():
        ordered = list(dict.fromkeys(bodies))
        assert ordered == [str(number) for number in range(int(device[1:]), 100, DEVICES)]
    # The answer to any of the three may have gone with the link.
    assert 0 < made.throttled <= 2
    assert made.counts["retried"] + made.counts["possible_repeat"] > 3
    repeats = sum(Counter(delivery.message_id for delivery in bench.hub.c2d.consumed()).values()) - 100
    assert repeats <= made.counts["possible_repeat"]
    assert made.counts["possible_repeat"] > 0, "what was in flight when the link was cut"
    assert made.counts["dead_letter"] == 0


def test_a_command_that_expires_while_it_waits_is_never_sent(bench: Bench) -> None:
    bench.hub.c2d.auto_complete()
    bench.hub.faults.sends.reject_send("com.microsoft:timeout", "not now", count=None, device_id="d1")
    made = bench.start()
    bench.turn(made, lambda: made.sender.ready and len(made.commands.assigned) == 2)
    soon = time.time() + 3.0
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(soon)) + "Z"
    bench.write(good(1, expiryTime=stamp), good(21), good(2, expiryTime=stamp))
    bench.turn(made, lambda: made.counts["sent"] >= 1)
    bench.turn(made, lambda: time.time() > soon)
    bench.hub.faults.sends.clear()
    bench.turn(made, lambda: made.counts["sent"] == 2 and made.counts["dead_letter"] == 1)
    assert bench.bodies() == {"d1": ["21"], "d2": ["2"]}
    [(headers, _)] = bench.dead_letters(1)
    assert headers["ingest-reason"] == "expired"


def test_a_command_that_expires_while_kafka_is_waited_for_is_never_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read can wait for seconds, while partitions come or go."""
    bench.hub.c2d.auto_complete()
    made = bench.start()
    bench.turn(made, lambda: made.sender.ready and len(made.commands.assigned) == 2)
    clock_ms = time.time_ns() // 1_000_000
    monkeypatch.setattr(worker, "_now_ms", lambda: clock_ms)
    read = made.commands.poll

    def slow_read(count: int, timeout: float) -> list[Ticket]:
        nonlocal clock_ms
        tickets = read(count, timeout)
        clock_ms += 60_000 if tickets else 0
        return tickets

    monkeypatch.setattr(made.commands, "poll", slow_read)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(clock_ms / 1000 + 30)) + "Z"
    bench.write(good(1, expiryTime=stamp), good(21))
    bench.turn(made, lambda: made.counts["sent"] == 1 and made.counts["dead_letter"] == 1)
    assert bench.bodies() == {"d1": ["21"]}
    [(headers, _)] = bench.dead_letters(1)
    assert headers["ingest-reason"] == "expired"


@over_both
def test_a_full_device_waits_and_no_other_waits_for_it(bench: Bench) -> None:
    bench.hub.c2d.auto_complete([f"d{number}" for number in range(1, DEVICES)])
    bench.write(*(good(number * DEVICES) for number in range(53)))
    bench.write(*(good(number) for number in range(2000, 2040) if number % DEVICES))
    made = bench.start()
    bench.turn(made, lambda: made.counts["sent"] == 50 + 38 and made.counts["retried"] == 0)
    bench.turn(made, lambda: bench.hub.c2d.stats().rejected.get("amqp:resource-limit-exceeded", 0) > 0)
    assert len(made.lanes) == 3
    bench.turn(made, lambda: bench.told[-1:] == [(True, "sending")])
    bench.hub.c2d.auto_complete()
    bench.turn(made, lambda: made.counts["sent"] == 53 + 38)
    assert bench.bodies()["d0"] == [str(number * DEVICES) for number in range(53)]
    assert made.counts["dead_letter"] == 0


def test_a_device_that_stays_full_is_given_up_after_the_wait(bench: Bench) -> None:
    bench.config = replace(bench.config, sink=replace(bench.config.sink, max_wait_seconds=1.0))
    bench.write(*(good(number * DEVICES) for number in range(51)))
    made = bench.start()
    bench.turn(made, lambda: made.counts["dead_letter"] == 1)
    [(headers, _)] = bench.dead_letters(1)
    assert headers["ingest-reason"] == "device_queue_full"
    assert made.counts["sent"] == 50


def test_thousands_of_commands_for_a_device_that_is_away_hold_up_no_other(bench: Bench) -> None:
    """All in one partition, before those of the others; and after a restart nothing that was sent comes again."""
    bench.config = replace(bench.config, sink=replace(bench.config.sink, ack="full", feedback_topic=bench.dead))
    bench.hub.c2d.auto_complete([f"d{number}" for number in range(1, DEVICES)])
    away: dict[str, object] = {"deviceId": "d0", "message": "x"}
    bench.write(*[away] * 21_000)
    bench.write(*(good(number) for number in range(100, 200) if number % DEVICES and number % 2 == 0))
    made = bench.start()
    bench.turn(made, lambda: made.counts["sent"] == 50 + 45)
    assert made.counts["dead_letter"] == 0
    assert len(made.lanes) <= 200
    assert made.lanes.deferred == 21_000 - 50 - len(made.lanes)
    kept = sum(isinstance(one, Ticket) and not one.finished for one in gc.get_objects())
    assert kept == len(made.lanes), "of the others the places alone"
    assert made.commands.lag == 21_000 - 50
    bench.turn(made, lambda: bench.told[-1] == (True, "sending"))
    bench.close(made)
    again = bench.start()
    bench.turn(again, lambda: again.commands.lag == 21_000 - 50 == len(again.lanes) + again.lanes.deferred)
    assert again.counts["sent"] == 0
    assert sum(map(len, bench.bodies().values())) == 45


def test_what_was_not_kept_is_read_again_when_its_device_takes_commands(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_queues, "QUEUE_FULL_SECONDS", (0.1, 0.5))
    bench.hub.c2d.auto_complete([f"d{number}" for number in range(2, DEVICES)])
    for number in range(0, 150 * DEVICES, DEVICES):
        bench.write(good(number), good(number + 1), good(number + 2))
    made = bench.start()
    made.lanes = DeviceQueues(max_wait_seconds=60.0, capacity=60, per_device=8)
    bench.turn(made, lambda: made.counts["sent"] == 50 + 50 + 150)
    assert made.lanes.deferred > 180
    bench.hub.c2d.auto_complete()
    bench.turn(made, lambda: made.counts["sent"] == 450)
    assert made.counts["dead_letter"] == 0
    assert bench.bodies() == {
        f"d{device}": [str(number + device) for number in range(0, 150 * DEVICES, DEVICES)] for device in range(3)
    }
    bench.turn(made, lambda: made.commands.lag == 0)
    bench.close(made)
    assert bench.committed() == 450


def test_a_partition_whose_commands_were_not_kept_moves_to_another_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, nothing overtakes, and what was sent behind the waiting commands is not sent by the other."""
    monkeypatch.setattr(device_queues, "QUEUE_FULL_SECONDS", (0.1, 0.5))
    bench.hub.c2d.auto_complete([f"d{number}" for number in range(2, DEVICES)])
    for number in range(0, 90 * DEVICES, DEVICES):
        bench.write(*(good(number + device) for device in range(4)))
    first = bench.start()
    first.lanes = DeviceQueues(max_wait_seconds=60.0, per_device=8)
    bench.turn(first, lambda: first.counts["sent"] == 2 * 50 + 2 * 90 and first.lanes.deferred > 60)
    # The mock cluster refuses commits in the middle of a rebalance, and what was not committed before is sent again.
    first.commands.commit(wait=True)
    second = bench.start()
    second.lanes = DeviceQueues(max_wait_seconds=60.0, per_device=8)

    def both() -> bool:
        first.poll()
        return True

    bench.turn(second, lambda: both() and len(first.commands.assigned) == len(second.commands.assigned) == 1)
    bench.turn(second, lambda: both() and second.commands.lag == 40)
    assert second.counts["sent"] == 0
    bench.hub.c2d.auto_complete()
    bench.turn(second, lambda: both() and first.commands.lag == second.commands.lag == 0)
    bodies = bench.bodies()
    for device in range(4):
        written = [str(number + device) for number in range(0, 90 * DEVICES, DEVICES)]
        # What was sent behind the waiting commands never comes again; these may, for the reason above.
        got = bodies[f"d{device}"]
        assert (list(dict.fromkeys(got)) if device < 2 else got) == written


def test_the_longest_wait_counts_feedback_that_does_not_come(bench: Bench) -> None:
    sink = replace(bench.config.sink, max_wait_seconds=1.0, ack="full", feedback_topic=bench.dead)
    bench.config = replace(bench.config, sink=sink)
    bench.write(*(good(number * DEVICES) for number in range(52)))
    made = bench.start()
    bench.turn(made, lambda: made.counts["dead_letter"] == 2)
    letters = bench.dead_letters(2)
    assert [headers["ingest-reason"] for headers, _ in letters] == ["device_queue_full"] * 2
    assert all("for feedback on the device's messages before it" in headers["ingest-error"] for headers, _ in letters)
    assert made.counts["sent"] == 50


@over_both
def test_the_longest_wait_counts_a_fault_that_only_one_device_has(bench: Bench) -> None:
    bench.config = replace(bench.config, sink=replace(bench.config.sink, max_wait_seconds=1.0))
    bench.hub.c2d.auto_complete()
    bench.hub.faults.sends.reject_send("com.microsoft:timeout", "not now", count=None, device_id="d1")
    bench.write(good(1), *(good(number) for number in range(2, 12)))
    made = bench.start()
    bench.turn(made, lambda: made.counts["dead_letter"] == 1)
    [(headers, _)] = bench.dead_letters(1)
    assert headers["ingest-reason"] == "timeout"
    assert "which took others" in headers["ingest-error"]
    assert made.counts["sent"] == 10


@over_both
def test_the_longest_wait_counts_answers_that_only_one_device_never_gets(bench: Bench) -> None:
    """Each missing answer costs the link: without an end to it, all devices would have that for ever."""
    bench.config = replace(bench.config, sink=replace(bench.config.sink, max_wait_seconds=1.0))
    bench.hub.c2d.auto_complete()
    bench.hub.faults.sends.lose_disposition(count=None, device_id="d1")
    bench.write(good(1), *(good(number) for number in range(2, 12)))
    made = bench.start()
    address = bench.config.hub.iot_hub
    assert address is not None
    made.sender.close()
    made.sender = Sender(
        address,
        bench.config.hub.ca_file,
        transport=bench.config.sink.transport,
        backoff=Backoff(0.01, 0.05),
        answer_seconds=0.3,
    )
    made.sender.start()
    bench.turn(made, lambda: made.counts["dead_letter"] == 1)
    [(headers, _)] = bench.dead_letters(1)
    assert headers["ingest-reason"] == "unanswered"
    assert made.counts["sent"] == 10


def test_a_command_that_nothing_can_make_of_is_set_aside_and_the_next_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of our own, or of the client's, that no test knows: it costs that command alone."""
    bench.hub.c2d.auto_complete()
    send = Sender.send

    def read_badly(*arguments: Any, **more: Any) -> Any:
        if b'"d1"' in arguments[0]:
            raise RecursionError("too deep \ud800")
        return plain_command(*arguments, **more)

    def send_badly(self: Sender, command: Command) -> None:
        if command.device_id == "d2":
            raise ValueError("no such type")
        send(self, command)

    monkeypatch.setattr("ingest.sink.commands.records.plain_command", read_badly)
    monkeypatch.setattr(Sender, "send", send_badly)
    bench.write(*(good(number) for number in range(1, 6)))
    made = bench.start()
    bench.turn(made, lambda: made.counts["sent"] == 3 and made.counts["dead_letter"] == 2)
    letters = bench.dead_letters(2)
    assert sorted(headers["ingest-error"] for headers, _ in letters) == [
        "The command cannot be handled (RecursionError: too deep \\ud800): please report this.",
        "The command cannot be handled (ValueError: no such type): please report this.",
    ]
    bench.turn(made, lambda: made.commands.lag == 0)


@over_both
def test_a_used_up_quota_pauses_says_so_and_ends_by_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "QUOTA_SECONDS", 3.0)
    bench.hub.c2d.auto_complete()
    bench.hub.c2d.set_daily_quota(10)
    bench.write(*(good(number) for number in range(30)))
    made = bench.start()
    bench.turn(made, lambda: any(not ready and "quota" in detail for ready, detail in bench.told))
    watched = Deadline(1.0)
    bench.turn(made, lambda: watched.expired)
    assert made.counts["sent"] == 10
    rejected = bench.hub.c2d.stats().rejected["com.microsoft:quota-exceeded"]
    assert rejected <= DEVICES, "no second round before the pause is over"
    bench.hub.c2d.set_daily_quota(None)
    bench.turn(made, lambda: made.counts["sent"] == 30)
    bench.turn(made, lambda: bench.told[-1] == (True, "sending"))
    assert {device: len(bodies) for device, bodies in bench.bodies().items()} == {
        f"d{number}": 2 if number < 10 else 1 for number in range(DEVICES)
    }


@over_both
def test_a_stop_waits_for_answers_and_leaves_the_rest_to_the_next(bench: Bench) -> None:
    bench.hub.c2d.auto_complete()
    bench.hub.faults.sends.reject_send("com.microsoft:timeout", "not now", count=None, device_id="d5")
    bench.write(*(good(number) for number in range(100)))
    made = bench.start()
    bench.turn(made, lambda: made.counts["sent"] == 95)
    bench.close(made)
    assert made.sender.in_flight == 0
    assert bench.committed() < 100
    bench.hub.faults.sends.clear()
    again = bench.start()
    bench.turn(again, lambda: set(bench.bodies()) == {f"d{number}" for number in range(DEVICES)})
    bench.turn(again, lambda: len(again.lanes) == 0 and again.commands.lag == 0)
    assert list(dict.fromkeys(bench.bodies()["d5"])) == [str(number) for number in range(5, 100, DEVICES)]
    assert all(list(dict.fromkeys(bodies)) == sorted(set(bodies), key=int) for bodies in bench.bodies().values())
    bench.close(again)
    assert bench.committed() == 100


@over_both
def test_a_stop_with_an_answer_that_never_comes_ends_within_its_deadline(bench: Bench) -> None:
    bench.hub.faults.sends.lose_disposition(count=None)
    bench.write(good(1))
    made = bench.start()
    bench.turn(made, lambda: made.sender.in_flight == 1)
    deadline = Deadline(20.0)
    bench.close(made, 0.5)
    assert not deadline.expired
    assert made.counts["possible_repeat"] == 1
    assert bench.unsaved == ["1 commands are not answered by the hub, and may be sent again"]
    assert bench.committed() == 0, "the hub may not have it"


def test_memory_is_bounded_and_the_cpu_idle_while_the_hub_is_away(bench: Bench, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(Path(bench.hub.endpoints.ca_file).read_bytes())
    bench.config = replace(bench.config, hub=replace(bench.config.hub, ca_file=authority))
    bench.hub.close()
    made = bench.start()
    made.lanes = DeviceQueues(max_wait_seconds=60.0, capacity=300)
    bench.write(*(good(number, message="x" * 1000) for number in range(3000)))
    bench.turn(made, lambda: not made.lanes.has_room)
    mine = psutil.Process()
    turns, began, watched = 0, sum(mine.cpu_times()[:2]), Deadline(2.0)
    while not watched.expired:
        turns += 1
        made.poll()
        bench.listen()
    assert turns < 200, "a turn without work waits"
    assert sum(mine.cpu_times()[:2]) - began < 1.0
    assert len(made.lanes) < 300 + FETCH + 1
    assert not bench.told[-1][0]
    assert bench.told[-1][1].startswith("IoT Hub ") or "connecting to the hub" in bench.told[-1][1]
    assert made.commands.lag > 0


@over_both
def test_a_wrong_key_ends_the_process_in_words(bench: Bench) -> None:
    bench.config = replace(
        bench.config, hub=replace(bench.config.hub, iot_hub_connection_string=_with_key(bench.hub, "d3Jvbmc="))
    )
    made = bench.start()
    with pytest.raises(Refused, match="hub refuses the token"):
        bench.turn(made, lambda: False)


def test_every_sink_metric_is_there_under_its_worker(bench: Bench) -> None:
    bench.hub.c2d.auto_complete()
    bench.hub.faults.sends.reject_send("com.microsoft:device-container-throttled", "slow down")
    bench.write(*(good(number) for number in range(10)), b"not json", None)
    made = bench.start()
    bench.turn(made, lambda: bench.registry.value(m.SINK_COMMANDS, "0", "sent") == 10)
    bench.turn(made, lambda: bench.registry.value(m.SINK_DEAD_LETTERS, "0", "malformed") == 1)
    value = bench.registry.value
    assert value(m.SINK_COMMANDS, "0", "dead_letter") == 1
    assert value(m.SINK_COMMANDS, "0", "tombstone") == 1
    assert value(m.SINK_COMMANDS, "0", "retried") == 1
    assert value(m.SINK_COMMANDS, "0", "possible_repeat") == 0
    assert value(m.SINK_THROTTLED, "0") == 1
    assert value(m.SINK_RATE_LIMIT, "0") > 0
    bench.turn(made, lambda: value(m.SINK_LAG, "0") == 0 and value(m.SINK_IN_FLIGHT, "0") == 0)
    assert sum(made.seconds.counts) == 11, "every answer of the hub, and no dead letter that was never sent"
    samples = {
        (sample.name, sample.labels["worker"])
        for family in bench.registry.collect()
        for sample in family.samples
        if sample.name.startswith("ingest_sink_")
    }
    for name in ("in_flight", "rate_limit_per_second", "lag_records", "throttled_total", "send_seconds_count"):
        assert (f"ingest_sink_{name}", "0") in samples


def test_what_the_process_waits_for_is_named(bench: Bench) -> None:
    """Nothing to do; then the pace, although an answer is out as well; then that answer."""
    bench.hub.c2d.auto_complete()
    bench.hub.faults.sends.lose_disposition(count=1)
    bench.budget = shared_rate.create(2.0, time.monotonic())
    made = bench.start()
    entered: list[str] = []
    bench.turn(made, lambda: made.sender.ready and bool(made.commands.assigned))
    enter = made.shares.enter

    def spy(part: Part) -> None:
        entered.append(part)
        enter(part)

    made.shares.enter = spy  # type: ignore[method-assign]  # to see every turn, where take() gives an average
    bench.turn(made, lambda: len(entered) >= 9)
    assert {*entered} == {"idle", "decode"}
    bench.write(*(good(number) for number in range(6)))
    bench.turn(made, lambda: made.counts["sent"] == 5)
    assert {*entered} == {"idle", "decode", "c2d_limit", "hub"}
    bench.turn(made, lambda: bench.registry.value(m.BOTTLENECK, "sink", "0", "c2d_limit") > 0)


def _with_key(hub: Emulator, key: str) -> Secret:
    text = hub.endpoints.iot_hub_connection_string
    return Secret(text.partition("SharedAccessKey=")[0] + f"SharedAccessKey={key}")


def test_a_dead_letter_topic_that_takes_nothing_is_told(bench: Bench, cluster: MockCluster) -> None:
    bench.write(b"no command")
    cluster.push_errors(0, [KafkaError.INVALID_RECORD] * 100)
    made = bench.start()
    words = f"dead-letter topic {bench.dead} refuses all records"
    bench.turn(made, lambda: any(not ready and words in detail for ready, detail in bench.told))
    cluster.clear_errors(0)
    bench.turn(made, lambda: made.dead_letters.written["malformed"] == 1)
    bench.turn(made, lambda: bench.told[-1] == (True, "sending"))


def test_a_hub_that_takes_commands_and_answers_none_costs_a_link_and_then_the_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "StallGuard", partial(StallGuard, seconds=0.5))
    bench.hub.c2d.auto_complete()
    bench.hub.faults.sends.lose_disposition(count=None)
    bench.write(*(good(number) for number in range(5)))
    made = bench.start()
    with pytest.raises(RestartRequired, match=r"stalled: the hub has answered no command for .* in flight on link 2"):
        bench.turn(made, lambda: False)
    assert any(not ready and "answered no command" in detail for ready, detail in bench.told)
    assert "Another link is opened" in caplog.text
    bench.close(made, 0.1)
    bench.hub.faults.sends.clear()
    again = bench.start()
    bench.turn(again, lambda: again.counts["sent"] == 5)
