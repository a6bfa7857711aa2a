"""`ingest redrive` from its command line, against librdkafka's mock cluster."""

import json
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from ingest.cli import main
from ingest.commands import redrive
from ingest.deadletter import dead_letter
from ingest.errors import EXIT_CRASH, EXIT_OK, EXIT_USAGE
from ingest.kafka.mock import MockCluster

COMMAND = ["redrive", "--from", "iotout.dead"]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic("iotout", 1)
        made.create_topic("iotout.dead", 1)
        monkeypatch.setenv("INGEST__KAFKA__BOOTSTRAP_SERVERS", made.bootstrap)
        yield made


def write(cluster: MockCluster, *reasons: str, topic: str | None = "iotout") -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for reason in reasons:
        key, value, headers = dead_letter(b"dev", b"{}", reason, "why", {"topic": topic})
        producer.produce("iotout.dead", value, key, headers=headers)
    assert producer.flush(60) == 0


def test_a_summary(cluster: MockCluster, capsys: pytest.CaptureFixture[str]) -> None:
    write(cluster, "expired", "device_not_found", "device_not_found", "too_large", "too_large", "too_large")
    assert main([*COMMAND, "--reason", "device_not_found", "--dry-run"]) == EXIT_OK
    assert "would send 2" in capsys.readouterr().out
    assert main([*COMMAND, "--reason", "device_not_found"]) == EXIT_OK
    assert capsys.readouterr().out.splitlines()[:4] == [
        "read      6",
        "matched   2",
        "sent      2",
        "skipped   4 (3 too_large, 1 expired)",
    ]
    assert main(COMMAND) == EXIT_OK
    assert "redriven before, by runs with --reason: 2" in capsys.readouterr().out
    assert main(COMMAND) == EXIT_OK
    assert "Nothing is new in iotout.dead" in capsys.readouterr().out


def test_one_line_of_json_and_a_code_when_a_record_is_refused(
    cluster: MockCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    write(cluster, "expired")
    write(cluster, "expired", topic=None)
    assert main([*COMMAND, "--json", "--rate", "1000"]) == EXIT_CRASH
    assert json.loads(capsys.readouterr().out) == {
        "topic": "iotout.dead",
        "reason": None,
        "dryRun": False,
        "read": 2,
        "matched": 2,
        "sent": 1,
        "redrivenBefore": 0,
        "skipped": {},
        "refused": {"no_origin": 1},
    }
    assert main([*COMMAND, "--all"]) == EXIT_CRASH
    assert "no_origin, the first: iotout.dead[0] at 1: it has no header ingest-topic" in capsys.readouterr().out


def test_progress_goes_to_stderr(
    cluster: MockCluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive, "PROGRESS_SECONDS", 0.0)
    write(cluster, "expired")
    assert main([*COMMAND, "--json"]) == EXIT_OK
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1
    assert "iotout.dead: 1 of 1 read, 1 sent" in shown.err


@pytest.mark.parametrize("wrong", [["redrive"], [*COMMAND, "--rate", "0"], [*COMMAND, "--rate", "nan"]])
def test_wrong_use(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(wrong)
    assert raised.value.code == EXIT_USAGE


def test_help_explains_which_records_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["redrive", "--help"])
    assert raised.value.code == EXIT_OK
    shown = capsys.readouterr().out
    assert "Every record is redriven once" in shown
    assert "--dry-run" in shown
