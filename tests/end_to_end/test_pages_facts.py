"""What the pages say besides their commands: examples, names of keys and metrics, numbers, links."""

import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ingest.amqp.types import Binary, Char, Decimal128, Timestamp
from ingest.cli.main import main
from ingest.config import Config, Secret, load
from ingest.config.kinds import SecretText
from ingest.config.sections import KEYS, SECTIONS
from ingest.errors import EXIT_CONFIG, EXIT_CRASH, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE, Undeliverable
from ingest.hub.limits import COMMANDS_PER_DEVICE
from ingest.kafka.dead_letters.record import DeadLetter
from ingest.logs import Repeated
from ingest.metrics import audits, catalogue
from ingest.process.supervised import ABORT_SECONDS, STALE_SECONDS
from ingest.sink.commands.command import Origin, parse
from ingest.sink.feedback.message import Feedback
from ingest.source.delivery.dead_letters import DeadLetters
from ingest.source.delivery.ready import READY_BYTES, READY_EVENTS
from ingest.source.events.values import plain, plain_time
from ingest.source.formats.json import JsonFormat
from ingest.source.transport.sdk import SUPPORTED
from tests.config.samples import BLOB, EVENT_HUB, IOT_HUB
from tests.end_to_end.documents import Document, squeezed
from tests.end_to_end.pages import COMMANDS, NAMES, PAGES, PROSE, README, SPANS
from tests.metrics.test_catalogue import literals_of
from tests.services import ROOT
from tests.source.sample_events import make_event

TELEMETRY, COMMAND, FEEDBACK = (
    # Shown on several lines; in Kafka there is one.
    "".join(line.strip() for line in example.splitlines()).encode()
    for page in ("docs/records.md", "docs/commands.md")
    for example in PAGES[page].blocks("json")
)
EVENT = make_event(
    13280,
    offset="12890070640",
    enqueued_ms=1_603_288_810_824,
    body=b'{"t":1}',
    device_id="dev-1",
    content_type="application/json",
    system_properties={"iothub-message-source": "Telemetry"},
    properties={"level": "high"},
)


def test_a_record_of_telemetry_is_what_the_format_makes() -> None:
    assert JsonFormat("3").encode(EVENT).value == TELEMETRY
    assert JsonFormat("3").encode(EVENT).key == b"dev-1"


def test_marks_of_values() -> None:
    """Each is told, and what is told is what is written."""
    written = {*literals_of("_marked", "source/events/values.py"), *plain_time(0)}
    assert set(re.findall(r'"(\$[a-z]+)":', PROSE)) == {f"${mark.removeprefix('$')}" for mark in written}
    told = [json.loads(span) for span in SPANS if span.startswith('{"$') and "[" not in span and "…" not in span]
    values = [math.nan, -math.inf, 1 << 64, Binary(b"\xff\x00"), b"\xff\x00", Timestamp(1_603_288_810_824), Char("C")]
    assert told == [*map(plain, values), plain(Decimal128((6174 << 113 | 150).to_bytes(16, "big")))]


def test_a_command_is_what_the_sink_takes() -> None:
    command = parse(COMMAND, None, Origin("iotout", 0, 0), now_ms=0)
    assert command is not None
    assert (command.device_id, command.body, command.message_id) == ("myDeviceId", b"Turn On", "msg1")
    assert command.properties == {"level": "high"}


@pytest.mark.parametrize("key", ["expiryTime", "expiry"])
def test_an_expiry_is_what_the_sink_takes(key: str) -> None:
    (time,) = re.findall(r"`(2026-\d\d-\d\dT[\d:]+Z)`", PAGES["docs/commands.md"].text)
    command = parse(json.dumps({**json.loads(COMMAND), key: time}).encode(), None, Origin("t", 0, 0), now_ms=0)
    assert command is not None
    assert command.expiry_ms == 1_796_083_200_000


def test_a_record_of_feedback_is_what_its_process_writes() -> None:
    told = Feedback("msg1", "myDeviceId", "Success", "Success", "637500000000000000", 1_795_379_400_250)
    assert told.value == FEEDBACK


def test_headers_of_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of events; `ingest run` in test_pages.py has those of commands."""
    written: list[DeadLetter] = []
    letters = DeadLetters(Config(), "3")
    monkeypatch.setattr(letters.topic, "send", lambda letter, *_: written.append(letter))
    letters.send(EVENT, Undeliverable("too_large", "the record is too large"), lambda: None)
    names = {name for name, _ in written[0].headers}
    bullet = PROSE.partition("An event that can never be delivered")[2].partition("##")[0]
    assert set(re.findall(r"`(ingest-[a-z-]+)`", bullet)) <= names


def test_the_configuration_loads(tmp_path: Path) -> None:
    (toml,) = README.blocks("toml")
    file = tmp_path / "ingest.toml"
    file.write_text(toml)
    for name, secret in {"event-hub": EVENT_HUB, "iot-hub": IOT_HUB, "blob": BLOB}.items():
        (tmp_path / name).write_text(secret + "\n")
        (tmp_path / name).chmod(0o600)
    config = load(file, environ={}, for_command="run")
    assert config.hub.iot_hub_connection_string == Secret(IOT_HUB)
    assert config.kafka.bootstrap_servers == "kafka1:9092,kafka2:9092"
    assert (config.sink.tier, config.sink.units) == ("S1", 1)


def named_keys() -> list[tuple[str, str]]:
    """(section, key) of every span such as `source.topic` or `sink.ack = "full"`."""
    found = [re.match(rf"({'|'.join(SECTIONS)})\.([a-z_]+)(?![a-z_./])", span) for span in SPANS]
    return sorted({(match[1], match[2]) for match in found if match})


@pytest.mark.parametrize(("section", "key"), named_keys())
def test_a_key_exists(section: str, key: str) -> None:
    if key.endswith("_file") and key not in KEYS[section]:
        key = key.removesuffix("_file")
        assert isinstance(KEYS[section][key].kind, SecretText)
    assert key in KEYS[section]


def test_keys_are_found() -> None:
    assert {("source", "format"), ("sink", "max_wait_seconds"), ("hub", "event_hub_connection_string_file")} <= set(
        named_keys()
    )


@pytest.mark.parametrize("span", [span for span in SPANS if re.match(rf"({'|'.join(SECTIONS)})\.\w+ = ", span)])
def test_a_value_is_taken(span: str, tmp_path: Path) -> None:
    file = tmp_path / "ingest.toml"
    file.write_text(span + "\n")
    section, key = span.partition(" =")[0].split(".")
    config = load(file, environ={}, for_command="print-config")
    assert getattr(getattr(config, section), key) == tomllib.loads(span)[section][key]


def test_layers() -> None:
    (variable,) = {span for span in SPANS if span.startswith("INGEST__")}
    (flag,) = {span for span in SPANS if span.startswith("--set ")}
    environ = dict([variable.split("=")])
    assert load(None, environ=environ, for_command="print-config").source.topic == "telemetry"
    over = load(
        None,
        environ={"INGEST__SOURCE__TOPIC": "other"},
        overrides=[flag.removeprefix("--set ")],
        for_command="print-config",
    )
    assert over.source.topic == "telemetry"


def test_metrics_exist() -> None:
    named = set(re.findall(r"\bingest_[a-z_]+", PROSE))
    assert named
    assert named <= {metric.full_name for metric in (*catalogue.METRICS, *audits.AUDIT_METRICS)}


def test_numbers_are_those_of_the_code() -> None:
    config = Config()
    for sentence in (
        f"about {READY_EVENTS:,} events or {READY_BYTES >> 10} KiB per partition",
        f"at most {COMMANDS_PER_DEVICE} commands waiting in the hub",
        f"`http://{config.metrics.host}:{config.metrics.port}/metrics`",
        f"every `checkpoints.interval_seconds` ({config.checkpoints.interval_seconds:g})",
        f"its releases {SUPPORTED}x are accepted",
        f"{EXIT_OK} done, {EXIT_CRASH} crash or failed, {EXIT_USAGE} wrong use, {EXIT_UNAVAILABLE} a service",
        f"{EXIT_CONFIG} wrong configuration",
        f"{config.source.topic}, {config.source.dead_letter_topic}; with commands {config.sink.topics[0]}, "
        f"{config.sink.dead_letter_topic}, and {config.sink.feedback_topic} if it is wanted",
        f'`source.format = "{config.source.format}"`',
        f'`source.transport = "{config.source.transport}"`, the default',
    ):
        assert sentence in PROSE
    assert "at most every 10 s" in PROSE
    assert Repeated(clock=lambda: 0.0)._seconds == 10.0
    assert "a hang is found within 30 s" in PROSE
    assert STALE_SECONDS + ABORT_SECONDS < 30


def help_of(*command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as raised:
        main([*command, "--help"])
    assert raised.value.code == EXIT_OK
    return capsys.readouterr().out


def test_every_command_of_the_help_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^    ([a-z][a-z-]+)", help_of(capsys=capsys), re.MULTILINE)
    assert len(commands) > 10
    typed = {squeezed(command) for command in COMMANDS} | {
        span for span in SPANS if span.startswith(("ingest ", "make "))
    }
    missing = [name for name in commands if not any(re.search(rf"\b(ingest|make) {name}\b", line) for line in typed)]
    assert missing == []


@pytest.mark.parametrize("span", sorted({span for span in SPANS if re.match(r"ingest [a-z]", span)}))
def test_a_command_in_the_prose_is_in_the_help(span: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = span.split()[1:]
    options = [word for word in words if word.startswith("-")]
    shown = help_of(*(word for word in words if not word.startswith("-")), capsys=capsys)
    assert all(option in shown for option in options)


def test_make_lists_the_targets_of_the_prose() -> None:
    makefile = (README.folder / "Makefile").read_text()
    targets = {span.split()[1] for span in SPANS if span.startswith("make ")}
    assert targets >= {"demo", "test", "help", "bench"}
    assert all(re.search(rf"^{target}:.* ## ", makefile, re.MULTILINE) for target in targets)
    (arguments,) = [span for span in SPANS if span.startswith("make demo ARGS=")]
    assert arguments == 'make demo ARGS="--events 20000 --commands 500 --json"'


OTHERS = ("CHANGELOG.md", "systemd/README.md", "grafana/README.md", "grafana/RUNBOOK.md", "bench/README.md")


@pytest.mark.parametrize("page", [*NAMES, *OTHERS])
def test_links_lead_somewhere(page: str) -> None:
    links = Document(page).links()
    assert [str(path) for path, _ in links if not path.exists()] == []
    assert [
        f"{path}#{anchor}"
        for path, anchor in links
        if anchor and anchor not in Document(str(path.resolve().relative_to(ROOT))).anchors()
    ] == []


FILE = re.compile(r"((?:ingest|tests|grafana|systemd|bench|docs)/[\w./@-]*|[A-Z]+\.md|Makefile|pyproject\.toml)(?:$| )")


def test_files_of_the_prose_exist() -> None:
    """From the root of the repository, wherever the page is; and in the pictures of the architecture."""
    named = {match[1] for span in SPANS if (match := FILE.match(span))}
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_files_of_the_pictures_exist() -> None:
    pictures = PAGES["docs/architecture.md"].blocks("")
    assert len(pictures) == 2
    named = set(re.findall(r"[\w/]+\.py", " ".join(pictures)))
    assert len(named) > 20
    folders = [ROOT / "ingest" / folder for folder in ("", "source", "sink", "kafka")]
    assert [name for name in sorted(named) if not any((folder / name).is_file() for folder in folders)] == []


def steps() -> list[str]:
    """The numbered steps of the architecture: what to change where."""
    text = PAGES["docs/architecture.md"].text
    return [squeezed(step) for step in re.findall(r"^\d\. (?:.+\n)+?(?=\d\. |\n|\Z)", text, re.MULTILINE)]


@pytest.mark.parametrize("step", steps())
def test_a_step_names_what_its_file_has(step: str) -> None:
    spans = re.findall(r"`([^`]+)`", step)
    files = [ROOT / span for span in spans if "/" in span and (ROOT / span).is_file()]
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    names = [span for span in spans if re.fullmatch(r"[A-Za-z_]+", span)]
    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []


def test_steps_are_found() -> None:
    assert len(steps()) > 12
    assert any("`FORMATS`" in step and "`ingest/source/hot_path.py`" in step for step in steps())


def test_the_readme_is_short() -> None:
    """Who meets ingest reads it whole; everything else has a page, which it leads to."""
    assert len(README.text.splitlines()) <= 120
    pages = {path.resolve() for path in README.files()}
    assert {(ROOT / name).resolve() for name in NAMES if name != "README.md"} <= pages


def old_properties() -> Any:
    return re.findall(r"^\| (.*?) \| (.*?) \|$", PAGES["docs/hdinsight.md"].text, re.M)


def test_every_property_of_the_old_connector_has_a_place() -> None:
    there = " ".join(left for left, _ in old_properties())
    for name in (
        "bootstrap.servers",
        "tasks.max",
        "Kafka.Topic",
        "EventHubCompatibleName",
        "EventHubCompatibleEndpoint",
        "AccessKeyName",
        "AccessKeyValue",
        "IotHub.ConsumerGroup",
        "IotHub.Partitions",
        "IotHub.StartTime",
        "IotHub.Offsets",
        "BatchSize",
        "ReceiveTimeout",
        "topics",
        "IotHub.ConnectionString",
        "IotHub.MessageDeliveryAcknowledgement",
    ):
        assert name in there
