"""`ingest audit` over an emulated hub and Apache Kafka: exactly what was done to a topic is found."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from confluent_kafka import Producer

from ingest.audit import uncommitted
from ingest.emulator import Emulator
from ingest.errors import EXIT_CONFIG, EXIT_CRASH, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from tests.audit.records import event
from tests.audit.rig import PATIENCE, Rig
from tests.services.kafka import KafkaCluster
from tests.source.readers import Reader, configured

NOTHING = {
    "missing": 0,
    "missing_ranges": [],
    "repeated": 0,
    "repeated_ranges": [],
    "out_of_order": 0,
    "dead_letters": 0,
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(partitions=2, consumer_groups=("$Default", "audit")) as running:
        # Not among the arguments: it has a key.
        monkeypatch.setenv("INGEST__HUB__EVENT_HUB_CONNECTION_STRING", running.endpoints.event_hub_connection_string)
        yield running


def found(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: each[name] for name in NOTHING} for each in told["partitions"]]


@pytest.mark.parametrize("record_format", ["json", "raw"])
def test_exactly_what_was_done_to_the_topic_is_found(
    hub: Emulator, kafka: KafkaCluster, record_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka, record_format)
    log = rig.logs["0"]
    never_sent = {10, 42, 43, 44, 79, 90}  # the first and the last of the stretch, three within, one dead letter
    order = [each.sequence_number for each in log if each.sequence_number not in never_sent]
    one, other = order.index(60), order.index(62)  # of one device
    order[one], order[other] = 62, 60
    order.insert(order.index(70), 68)
    order.insert(order.index(75), 68)
    rig.write("0", [log[number] for number in order])
    rig.write_letter("0", log[90])
    rig.write_letter("0", log[42])
    rig.put(b"what others write", timestamp=log[50].enqueued_ms)
    rig.write("1", rig.logs["1"])
    told = rig.told(lambda: capsys.readouterr().out, 10, 79)
    tampered = {
        "missing": 4,
        "missing_ranges": [[10, 10], [43, 44], [79, 79]],
        "repeated": 2,
        "repeated_ranges": [[68, 68]],
        "out_of_order": 1,
        "dead_letters": 1,
    }
    assert found(told) == [tampered, NOTHING]
    assert {name: told[name] for name in ("present", "not_ours", "certain", "notes")} == {
        "present": 136,
        "not_ours": 1,
        "certain": True,
        "notes": [],
    }
    assert rig.audit(10, 79) == EXIT_CRASH
    shown = capsys.readouterr().out
    assert "missing: 10, 43-44, 79\n" in shown
    assert "repeated: 68\n" in shown
    assert "4 missing, 2 repeated, 1 out of order: 136 events of" in shown
    assert "The hub still holds 4 of the missing ones" in shown
    assert found(rig.told(lambda: capsys.readouterr().out, 10, 79, "--partition", "1")) == [NOTHING]


def test_of_a_whole_topic_nothing_is_missing_or_repeated(
    hub: Emulator, kafka: KafkaCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka)
    for partition, log in rig.logs.items():
        rig.write(partition, log)
    rig.write_and_abort("0", rig.logs["0"][20:40])
    for first, last in ((10, 79), (0, 99), (0, 5_000)):
        assert rig.audit(first, last, "--refetch", "--metrics-file", str(tmp_path / "audit.prom")) == EXIT_OK
        shown = capsys.readouterr().out
        events = 2 * (min(last, 99) - first + 1)
        assert f"\n0 missing, 0 repeated, 0 out of order, 0 with another content: {events} events of" in shown
        assert "not known" not in shown
        assert "contents were compared" not in shown
        assert f'\ningest_audit_present_events{{name="ingest",partition="1"}} {events // 2}\n' in (
            "\n" + (tmp_path / "audit.prom").read_text()
        )


def test_contents_that_are_not_the_hubs_are_found_beside_the_owner_of_the_partition(
    hub: Emulator, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka, size=40)
    owner = Reader(configured(hub, "fast"))
    owner.until_events(40)
    for partition, log in rig.logs.items():
        rig.write(
            partition, (each._replace(body=b"another") if each.sequence_number in (3, 20) else each for each in log)
        )
    assert rig.audit(10, 29) == EXIT_OK
    assert rig.audit(10, 29, "--refetch") == EXIT_UNAVAILABLE
    assert "name another group with --consumer-group" in capsys.readouterr().err
    assert rig.audit(10, 29, "--refetch", "--consumer-group", "audit") == EXIT_CRASH
    shown = capsys.readouterr().out
    assert shown.count("other content: 20\n") == 2
    assert "2 with another content" in shown
    hub.hub.publish(str(rig.logs["0"][0].device_id), b"live")
    owner.until_events(41)
    assert not owner.receiver.reconnects
    owner.receiver.close()


def test_of_a_hub_that_has_dropped_the_begin_all_that_it_holds_is_wanted(
    kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of partition 0 has come to Kafka, of 1 all; the stretch began before the oldest event that the hub holds."""
    with Emulator(partitions=2, retention_events=30) as hub:
        monkeypatch.setenv("INGEST__HUB__EVENT_HUB_CONNECTION_STRING", hub.endpoints.event_hub_connection_string)
        rig = Rig(hub, kafka, size=60)
        rig.write("1", rig.logs["1"])
        told = rig.told(lambda: capsys.readouterr().out, 10, 49)
        oldest = told["partitions"][0]["hub"]["first"]
        assert 10 < oldest < 50
        assert found(told) == [{**NOTHING, "missing": 50 - oldest, "missing_ranges": [[oldest, 49]]}, NOTHING]
        assert [each["first_known_by"] for each in told["partitions"]] == ["unknown", "topic"]
        assert not told["certain"]
        # Where the hub lets nobody look, its newest event alone is certain.
        owners = [Reader(configured(hub, "fast"))]
        try:
            owners[0].until(lambda: owners[0].receiver.attached)
            told = rig.told(lambda: capsys.readouterr().out, 10, 59)
            assert found(told)[0] == {**NOTHING, "missing": 1, "missing_ranges": [[59, 59]]}
            assert "--consumer-group" in " ".join(told["notes"])
        finally:
            owners[0].receiver.close()


def test_what_comes_behind_later_events_is_not_missing(
    hub: Emulator, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka, size=30)
    log = rig.logs["0"]
    rig.write("0", (each for each in log if each.sequence_number not in (15, 17)))
    rig.write("0", [event(5_000, log[15].device_id), event(5_001, log[16].device_id), log[15]])
    rig.write("1", rig.logs["1"])
    hub.hub.publish(str(log[15].device_id), b"later", enqueued_at_ms=event(5_000).enqueued_ms)
    told = rig.told(lambda: capsys.readouterr().out, 10, 19)
    assert found(told)[0] == {**NOTHING, "missing": 1, "missing_ranges": [[17, 17]], "out_of_order": 1}


def test_without_the_hub_it_says_what_cannot_be_known(
    hub: Emulator, kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka)
    monkeypatch.delenv("INGEST__HUB__EVENT_HUB_CONNECTION_STRING")
    rig.write("0", rig.logs["0"][20:60])
    assert rig.audit(10, 49) == EXIT_OK
    shown = capsys.readouterr().out
    assert "whether events are missing before the first is not known: only the hub could tell" in shown
    assert "behind the last" not in shown
    assert "The hub's own figures are not known: no hub is configured." in shown


def test_without_the_hub_what_came_long_after_proves_the_end(
    hub: Emulator, kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka)
    monkeypatch.delenv("INGEST__HUB__EVENT_HUB_CONNECTION_STRING")
    log = rig.logs["0"]
    rig.write("0", log[:40])
    rig.write("1", [event(5_000, log[0].device_id), event(5_001, log[1].device_id)])
    rig.write("0", log[40:60])
    told = rig.told(lambda: capsys.readouterr().out, 10, 49, "--partition", "0")
    assert found(told) == [NOTHING]
    assert (told["present"], told["certain"]) == (40, True)


def test_what_an_open_transaction_holds_back_is_told_and_not_only_missing(
    hub: Emulator, kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(uncommitted, "WAIT_SECONDS", 0.1)
    rig = Rig(hub, kafka, size=40)
    rig.write("1", rig.logs["1"])
    rig.write("0", rig.logs["0"][:20])
    writer = rig.open_transaction()
    rig.write("0", rig.logs["0"][20:])
    told = rig.told(lambda: capsys.readouterr().out, 0, 39)
    assert found(told)[0]["missing_ranges"] == [[20, 39]]
    [note] = told["notes"]
    assert note.startswith("An open transaction holds back 2")
    # Such as a running ingest has: what is written when the audit begins counts.
    monkeypatch.setattr(uncommitted, "WAIT_SECONDS", PATIENCE)
    with ThreadPoolExecutor(1) as others:
        committed = others.submit(ended_soon, writer)
        told = rig.told(lambda: capsys.readouterr().out, 0, 39)
        committed.result()
    assert (found(told), told["notes"]) == ([NOTHING, NOTHING], [])


def ended_soon(writer: Producer) -> None:
    Event().wait(1.0)
    writer.commit_transaction(PATIENCE)


def test_where_kafka_may_have_dropped_what_is_missing_that_is_told(
    hub: Emulator, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka, size=20, policy="compact")
    rig.write("0", rig.logs["0"])
    rig.write("1", rig.logs["1"][:10])
    notes = rig.told(lambda: capsys.readouterr().out, 0, 19)["notes"]
    assert any("is compacted (cleanup.policy = compact)" in note for note in notes)


def test_without_hub_and_records_there_is_no_result(
    hub: Emulator,
    kafka: KafkaCluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    rig = Rig(hub, kafka, size=0)
    monkeypatch.delenv("INGEST__HUB__EVENT_HUB_CONNECTION_STRING")
    assert rig.audit(0, 19, "--json", "--metrics-file", str(tmp_path / "a.prom")) == EXIT_UNAVAILABLE
    shown = capsys.readouterr()
    assert "nothing can be said: topic" in shown.err
    assert "no hub is configured" in shown.err
    assert (shown.out, list(tmp_path.iterdir())) == ("", [])


@pytest.mark.parametrize("more", [(), ("--refetch",)])
def test_a_hub_that_lets_nobody_look_at_what_the_topic_lacks_is_no_result(
    more: tuple[str, ...], hub: Emulator, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka, size=40)
    assert rig.audit(10, 19, "--consumer-group", "none", *more) == EXIT_UNAVAILABLE
    assert "nothing can be said: topic" in (error := capsys.readouterr().err)
    assert "could not be found" in error
    assert "name a consumer group of the hub that nobody reads with --consumer-group" in error
    rig.write("0", rig.logs["0"])
    rig.write("1", rig.logs["1"][15:])  # its begin is not known
    assert rig.audit(10, 19, "--consumer-group", "none", *more) == (EXIT_UNAVAILABLE if more else EXIT_OK)
    assert not more or "--refetch reads from the hub, which does not let this reader in" in capsys.readouterr().err


def test_a_format_without_the_partition_cannot_be_audited(
    hub: Emulator, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka, "connect-json", size=20)
    rig.write("0", rig.logs["0"])
    assert rig.audit(0, 19) == EXIT_CONFIG
    assert "20 records of topic" in (shown := capsys.readouterr().err)
    assert 'only "json" and "raw" can be audited' in shown


def test_records_of_a_format_that_was_configured_before_are_told_and_do_not_count(
    hub: Emulator, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(hub, kafka, size=20)
    rig.write("1", rig.logs["1"])
    for rig.record_format, part in (("connect-json", slice(0, 8)), ("raw", slice(8, 12)), ("json", slice(12, 20))):
        rig.write("0", rig.logs["0"][part])
    told = rig.told(lambda: capsys.readouterr().out, 8, 19)
    assert found(told) == [NOTHING, NOTHING]
    assert told["notes"][0].startswith("8 records do not say which partition of the hub they come from")
    told = rig.told(lambda: capsys.readouterr().out, 0, 19)
    assert found(told)[0]["missing_ranges"] == [[0, 7]]


def test_a_stretch_that_is_none_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    from ingest.cli.main import main

    for options, why in (
        (("--from", "2026-01-01"), "not an RFC 3339 time with its zone"),
        (("--from", "0001-01-01T00:00+14:00"), "not an RFC 3339 time with its zone"),
        (("--from", "2026-01-01T00:00Z", "--to", "9999-12-31T23:59-14:00"), "not an RFC 3339 time with its zone"),
        (("--from", "2026-01-02T00:00Z", "--to", "2026-01-01T00:00Z"), "--to is not later than --from"),
        (("--from", "2999-01-01T00:00Z"), "--from is later than a minute ago"),
        (("--yesterday", "--from", "2026-01-02T00:00Z"), "leave out --from and --to"),
        ((), "name the first time with --from"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["audit", *options])
        assert ended.value.code == EXIT_USAGE
        assert why in capsys.readouterr().err
