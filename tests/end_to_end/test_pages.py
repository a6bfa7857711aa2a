"""Every command of README.md, docs/ and their like does what it says: run as it is written where that is possible, else in
its nearest form."""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ingest.cli.main import command_parser
from ingest.config import Sink, Source, load
from ingest.source.checkpoints import Checkpoint, open_store
from ingest.source.checkpoints.scope import scope
from tests.cluster.__main__ import parsed as clusters_options
from tests.cluster.beside import parsed as besides_options
from tests.discovery.toy_ambari import toy_ambari
from tests.end_to_end.documents import squeezed
from tests.end_to_end.pages import COMMANDS, PAGES, README
from tests.end_to_end.readme_node import INSTANCE, ReadmeNode
from tests.faults.waiting import wait_until
from tests.migrate.samples import write_files_of_the_old_connector
from tests.services import ROOT
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.storm.__main__ import parsed as storms_options
from tests.systemd.test_units import settings

SOURCE, SINK = Source(), Sink()
(TELEMETRY,) = (json.loads(example) for example in PAGES["docs/records.md"].blocks("json"))
COMMAND, _ = (json.loads(example) for example in PAGES["docs/commands.md"].blocks("json"))


def recipe_with(*words: str) -> Callable[[str, Path], None]:
    """For a target that would need minutes, and run this test again."""

    def check(command: str, _: Path) -> None:
        recipe = subprocess.run(
            ["make", "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        ).stdout
        assert all(word in recipe for word in words), recipe

    return check


def names_tests(command: str, _: Path) -> None:
    """To run them here would be to run this one again."""
    words = shlex.split(command)
    paths = [word for word in words if word.startswith("tests/")]
    assert paths
    assert [path for path in paths if not any((ROOT / path).rglob("test_*.py")) and not (ROOT / path).is_file()] == []
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    known = {marker.partition(":")[0] for marker in options["markers"]}
    chosen = words[words.index("-m", 3) + 1] if "-m" in words[3:] else ""
    assert set(re.findall(r"\w+", chosen)) - {"not", "and", "or"} <= known


def writes_what_is_committed(command: str, folder: Path) -> None:
    """Below another folder: what other tests read stays as it is."""
    line, _, target = command.partition(" > ")
    done = subprocess.run(
        [sys.executable, *line.split()[1:], *([] if target else [folder])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    if target:
        (folder / target).parent.mkdir(parents=True)
        (folder / target).write_text(done.stdout)
    made = [path for path in folder.rglob("*") if path.is_file()]
    assert made
    assert all(path.read_text() == (ROOT / path.relative_to(folder)).read_text() for path in made)


def writes_the_dashboard(command: str, folder: Path) -> None:
    made = folder / "ingest.json"
    subprocess.run([sys.executable, *command.split()[1:], made], cwd=ROOT, timeout=60, check=True)
    assert made.read_text() == (ROOT / "grafana" / made.name).read_text()


def installs(command: str, folder: Path) -> None:
    """Into an environment of its own, without what it depends on; tests/systemd/test_install.py has those, too."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in ("ingest", "setup.py", "MANIFEST.in", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-R", ROOT / name, checkout], check=True)
    # pip builds in place, and is 10 s of the environment's making.
    nearest = command.replace("-m venv", "-m venv --without-pip")
    nearest = nearest.replace("pip install", f"{sys.executable} -m pip install --dry-run --no-deps")
    nearest = nearest.replace("python3 ", f"{sys.executable} ", 1)
    assert nearest.count(sys.executable) == 2
    done = subprocess.run(["sh", "-c", nearest], cwd=checkout, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Would install iothub-kafka-ingest-" in done.stdout


def migrates(command: str, folder: Path) -> None:
    """With files of the old connector in the folder, and its saved positions."""
    write_files_of_the_old_connector(folder)
    words = [sys.executable, "-m", *command.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "INGEST__CHECKPOINTS__PATH": str(folder / "positions")}

    def ran(*words: str) -> str:
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    if "--apply" in words:
        ran(*words[: words.index("--apply")], "--write", "ingest.toml")
        assert ran(*words).startswith("partition 0: begins after 4294967296;")
        assert len([*(folder / "positions").rglob("*.json")]) == 4
    else:
        assert ran(*words) == ""
        assert stat.S_IMODE((folder / "event-hub").stat().st_mode) == 0o600
        assert load(folder / "ingest.toml", environ={}).sink.group_id == "connect-AzureIotHubSinkConnector"


def would_install(command: str, folder: Path) -> str:
    """What the installer says that it would do."""
    done = subprocess.run(
        [*command.removeprefix("sudo ").split(), "--dry-run", "--prefix", folder, "--python", sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepares_the_instance(command: str, folder: Path) -> None:
    said = would_install(command, folder)
    assert f"would run: install -d -m 0700 {folder}/etc/ingest/{INSTANCE}" in said
    assert f"would write: {folder}/usr/local/lib/systemd/system/ingest@.service" in said
    assert f"would run: ln -sfn {folder}/opt/ingest/current/bin/ingest {folder}/usr/local/bin/ingest" in said


def edits_what_the_installer_wrote(command: str, folder: Path) -> None:
    (install,) = [each for each in COMMANDS if "install.sh" in each]
    assert f"would write: {folder}{command.split()[1]}" in would_install(install, folder)


def names_a_unit(command: str, _: Path) -> None:
    """There is no systemd to ask; tests/systemd/test_units.py lets it judge the units."""
    (name,) = re.findall(r"ingest[a-z-]*@", command)
    unit = settings(f"{name}.service")
    assert unit["Type"] == ["notify"], "start waits until it is ready"
    assert unit["WantedBy"] == ["ingest.target"], "enable has something to do"
    assert unit["ExecStart"] == ["/opt/ingest/current/bin/ingest run -c /etc/ingest/%i.toml"]


def keeps_a_secret(command: str, node: ReadmeNode) -> None:
    (path,) = re.findall(r"cat > ([^')]+)", command)
    secret = node.secrets["event-hub"]
    (node.folder / node.here(path)).unlink()
    assert node.sh(command.removeprefix("sudo "), typed=f"{secret}\n") == ""
    assert node.holds_secret(path, secret)


def creates_topics(command: str, node: ReadmeNode) -> None:
    found = [line.split()[1] for line in node.sh(command).splitlines()]
    assert found == [SOURCE.topic, SOURCE.dead_letter_topic, *SINK.topics, SINK.dead_letter_topic]


def finds_nothing_wrong(command: str, node: ReadmeNode) -> None:
    said = node.sh(command.removeprefix("sudo "))
    assert "FAIL" not in said
    assert re.search(r"^ok +event hub key ", said, re.MULTILINE)
    assert re.search(r"\d+ ok$", said)


def moves_both_ways(command: str, node: ReadmeNode) -> None:
    device, body, bad = "readme-telemetry", TELEMETRY["content"].encode(), b"no-command"
    node.write(SINK.topics[0], json.dumps(COMMAND).encode())
    node.write(SINK.topics[0], b"no JSON", key=bad)
    node.hub.send(device, body, content_type=TELEMETRY["contentType"], properties=TELEMETRY["properties"])
    process = node.up(command)
    record = json.loads(node.find(SOURCE.topic, device.encode()).value() or b"")
    assert list(record) == list(TELEMETRY), "the example's fields, in its order"
    same = {key for key in record if record[key] == TELEMETRY[key]}
    assert {"content", "contentType", "contentEncoding", "properties"} <= same
    wait_until(lambda: "Turn On" in node.received(COMMAND["deviceId"]), lambda: process.story("no command came"))
    letter = node.find(SINK.dead_letter_topic, bad)
    page = PAGES["docs/commands.md"].text
    bullet = page.partition("Unknown device or schema, too large, malformed, expired")[2].partition("**Feedback**")[0]
    assert letter.value() == b"no JSON"
    assert dict(letter.headers() or []).keys() == set(re.findall(r"`(ingest-[a-z]+)`", bullet))


def shows_the_status(command: str, node: ReadmeNode) -> None:
    process = node.up(RUN)
    said = node.sh(f"{command} --interval 0.2 --url {process.url}")
    if "--json" in command:
        shown = json.loads(said)
        assert [row["up"] for row in (*shown["partitions"], *shown["workers"])] == [True] * 6
        assert shown["limited_by"]
    else:
        assert re.search(r"partition +state +events/s +lag +data age +checkpoint", said)
        assert "limited by  telemetry: " in said
        assert "commands: " in said


def shows_a_checkpoint(command: str, node: ReadmeNode) -> None:
    save_checkpoint(node)
    assert re.search(r"^3 +7 +1070 +20", node.sh(command), re.MULTILINE)


def deletes_a_checkpoint(command: str, node: ReadmeNode) -> None:
    save_checkpoint(node)
    assert node.sh(command) == "deleted the checkpoint of partition 3\n"


def save_checkpoint(node: ReadmeNode) -> None:
    node.down()
    config = node.config()
    store = open_store(config.checkpoints, scope(config))
    store.check()
    store.save(Checkpoint("3", "1070", 7))
    store.close()


def would_redrive(command: str, node: ReadmeNode) -> None:
    headers = [("ingest-reason", b"device_not_found"), ("ingest-topic", b"iotout")]
    node.write(SINK.dead_letter_topic, json.dumps(COMMAND).encode(), headers=headers)
    said = node.sh(command)
    assert "matched   1\n" in said
    assert "would send 1\n" in said


def is_a_hub(command: str, node: ReadmeNode) -> None:
    with node.started(command) as process:
        process.wait_said("A local IoT Hub is ready")
        process.wait_said("curl --cacert ")
        process.wait_said("Simulated devices  100, 500 events/s in all, no end")
        assert process.close() == 0


def finds_the_brokers(command: str, folder: Path) -> None:
    (folder / "ambari-password").write_text("hunter2\n")
    with toy_ambari() as url:
        typed(command.replace("https://CLUSTER.azurehdinsight.net", url), folder)
    found = tomllib.loads((folder / "ingest.toml").read_text())["kafka"]["bootstrap_servers"]
    assert [server.rpartition(":")[2] for server in found.split(",")] == ["9092"] * 3


def finds_the_keys(command: str, folder: Path) -> None:
    """With an `az` that prints what is recorded."""
    recorded = json.loads((ROOT / "tests" / "vectors" / "az.json").read_text())
    az = folder / "az"
    az.write_text('#!/bin/sh\ncat "$(dirname "$0")/$3.json"\n')
    az.chmod(0o755)
    (folder / "show.json").write_text(json.dumps(recorded["iot hub show"]))
    (folder / "policy.json").write_text(json.dumps(recorded["iot hub policy show"]))
    typed(command, folder)
    assert set(tomllib.loads((folder / "ingest.toml").read_text())["hub"]) == {
        "event_hub_connection_string",
        "iot_hub_connection_string",
        "retention_days",
    }


def is_understood(command: str, folder: Path) -> None:
    """Running it takes the old connector, or a day's events; `tests/cli/test_shadow.py`, `test_audit.py` and `test_replay.py`
    run its like."""
    assert command_parser().parse_args(shlex.split(command)[1:]).handler is not None


def names_a_storm(command: str, folder: Path) -> None:
    """`tests/storm/test_storm.py` runs a short one."""
    assert storms_options(shlex.split(command)[3:]).events > 0


def names_a_cluster(command: str, folder: Path) -> None:
    """`tests/cluster/test_cut.py` runs a short one."""
    program, *options = shlex.split(command)[2:]
    {"tests.cluster": clusters_options, "tests.cluster.beside": besides_options}[program](options)


def typed(command: str, folder: Path) -> None:
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", command], cwd=folder, env=os.environ | {"PATH": path}, timeout=60, check=True)


ALONE: Mapping[str, Callable[[str, Path], None]] = {
    r"make demo": recipe_with("ingest demo"),
    r"make test": recipe_with("-m tests.services install", "-m pytest"),
    r"make unit": recipe_with("INGEST_TESTS_WITHOUT_SERVICES=1", "-m pytest"),
    r"make boot": recipe_with("-m tests.systemd.live --install", "-m tests.systemd.live"),
    r"make check": recipe_with("ruff check", "mypy", "tests/test_house.py"),
    r"make bench": recipe_with("--benchmark-only", "bench.plot"),
    r"\.venv/bin/python -m pytest .*": names_tests,
    r"\.venv/bin/python -m (tests\.docs|ingest\.config\.example > systemd/example\.toml)": writes_what_is_committed,
    r"\.venv/bin/python -m tests\.storm .*": names_a_storm,
    r"\.venv/bin/python -m tests\.cluster.*": names_a_cluster,
    r"\.venv/bin/python -m grafana\.generate": writes_the_dashboard,
    r"\.venv/bin/python -m tests\.cli\.command_line > tests/cli/command_line\.txt": writes_what_is_committed,
    r"python3 -m venv venv && \. venv/bin/activate && pip install \.": installs,
    r"ingest migrate connect-standalone\.properties .*": migrates,
    r"ingest source -c ingest\.toml --set source\.topic=iotin\.new .*": is_understood,
    r"ingest shadow -c ingest\.toml --topic-old iotin .*": is_understood,
    r"ingest (audit|replay) -c ingest\.toml --from .*": is_understood,
    r"ingest status --once (--url .*|--all)": is_understood,
    rf"sudo systemd/install\.sh --instance {INSTANCE}": prepares_the_instance,
    rf"sudoedit /etc/ingest/{INSTANCE}\.toml": edits_what_the_installer_wrote,
    r"ingest discover ambari --url .* --write ingest\.toml": finds_the_brokers,
    r"\(az iot hub show .*\) \| ingest discover az --write ingest\.toml": finds_the_keys,
    rf"sudo systemctl enable --now ingest@{INSTANCE}": names_a_unit,
    rf"systemctl status ingest@{INSTANCE}": names_a_unit,
    rf"journalctl -u ingest@{INSTANCE} -f": names_a_unit,
}
"""Command → its nearest form, for what needs root, minutes or somebody to watch. Each has an empty folder."""

ON_THE_NODE: Mapping[str, Callable[[str, ReadmeNode], None]] = {
    r"\(umask 077; cat > [a-z-]+\)": keeps_a_secret,
    rf"sudo sh -c 'umask 077; cat > /etc/ingest/{INSTANCE}/[a-z-]+'": keeps_a_secret,
    r"ingest topics create -c ingest\.toml": creates_topics,
    r"ingest doctor -c ingest\.toml": finds_nothing_wrong,
    rf"sudo env CREDENTIALS_DIRECTORY=/etc/ingest/{INSTANCE} ingest doctor -c /etc/ingest/{INSTANCE}\.toml": finds_nothing_wrong,
    r"ingest run -c ingest\.toml": moves_both_ways,
    r"ingest status( --once --json)?": shows_the_status,
    r"ingest checkpoints show -c ingest\.toml": shows_a_checkpoint,
    r"ingest checkpoints reset -c ingest\.toml --partition 3 --yes": deletes_a_checkpoint,
    r"ingest redrive -c ingest\.toml --from iotout\.dead --reason device_not_found --dry-run": would_redrive,
    r"ingest emulator --partitions 4 --devices 100 --rate 500": is_a_hub,
}
"""Command → what must come of it when it is typed on a node with the README's own configuration."""

RUN = next(command for command in COMMANDS if squeezed(command).startswith("ingest run "))


def known_to(rules: Mapping[str, object], command: str) -> list[str]:
    """The patterns that fit the command."""
    return [pattern for pattern in rules if re.fullmatch(pattern, squeezed(command))]


@pytest.fixture(scope="module")
def node(kafka: KafkaCluster, blob: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadmeNode]:
    (toml,) = README.blocks("toml")
    with ReadmeNode(tmp_path_factory.mktemp("node"), toml, kafka, blob) as made:
        yield made


@pytest.mark.parametrize("command", COMMANDS, ids=squeezed)
def test_a_rule_knows_the_command(command: str) -> None:
    assert len(known_to({**ALONE, **ON_THE_NODE}, command)) == 1, "write a rule for it"


@pytest.mark.parametrize("command", [each for each in COMMANDS if known_to(ALONE, each)], ids=squeezed)
def test_its_nearest_form_works(command: str, tmp_path: Path) -> None:
    (pattern,) = known_to(ALONE, command)
    ALONE[pattern](command, tmp_path)


@pytest.mark.services
@pytest.mark.parametrize("command", [each for each in COMMANDS if known_to(ON_THE_NODE, each)], ids=squeezed)
def test_it_works_as_it_is_written(command: str, node: ReadmeNode) -> None:
    (pattern,) = known_to(ON_THE_NODE, command)
    ON_THE_NODE[pattern](command, node)


def test_rules_are_needed() -> None:
    assert [
        pattern for pattern in {**ALONE, **ON_THE_NODE} if not any(known_to({pattern: 0}, c) for c in COMMANDS)
    ] == []
