import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import pytest

from ingest import __version__
from ingest.cli.main import main
from ingest.config import Config, load
from ingest.errors import EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE, Refused
from ingest.source import hot_path
from tests.config.samples import COMPLETE, written

COMMANDS = [
    "run",
    "source",
    "sink",
    "redrive",
    "check-config",
    "doctor",
    "status",
    "print-config",
    "checkpoints",
    "topics",
    "discover",
    "emulator",
    "demo",
]


@pytest.fixture(autouse=True)
def _no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("INGEST__")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, object], None]:
    """Puts a function in the place of a module that a command imports when it is called."""

    def put(module: str, name: str, function: object) -> None:
        replacement: Any = ModuleType(module)
        setattr(replacement, name, function)
        monkeypatch.setitem(sys.modules, module, replacement)

    return put


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == EXIT_OK
    assert capsys.readouterr().out == f"ingest {__version__}\n"


@pytest.mark.parametrize("arguments", [["--version", "-v"], ["-v", "--version"]])
def test_the_version_in_full_tells_of_the_decoder(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == EXIT_OK
    first, python, told = capsys.readouterr().out.splitlines()
    assert (first, told) == (f"ingest {__version__}", hot_path.sentence())
    assert platform.python_version() in python


@pytest.mark.parametrize(
    "command", [[], *([name] for name in COMMANDS), ["checkpoints", "reset"], ["topics", "create"]]
)
def test_help_teaches(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main([*command, "--help"])
    assert raised.value.code == EXIT_OK
    shown = capsys.readouterr().out
    assert "example:" in shown or "first steps:" in shown
    assert all(name in shown for name in COMMANDS) or command


def test_run_runs_what_is_configured(stand_in: Callable[[str, str, object], None], tmp_path: Path) -> None:
    only_commands = tmp_path / "ingest.toml"
    key = "a2V5"
    only_commands.write_text(
        f'[hub]\niot_hub_connection_string = "HostName=h.azure-devices.net;SharedAccessKeyName=p;SharedAccessKey={key}"\n'
    )
    seen: list[tuple[str, ...]] = []

    def run(_: Config, *, roles: tuple[str, ...], reload: object) -> int:
        seen.append(roles)
        return 0

    stand_in("ingest.service.run", "run", run)
    assert main(["run", "-c", str(only_commands)]) == 0
    assert seen == [("sink",)]


@pytest.mark.parametrize("command", [[], ["checkpoints"], ["topics"]])
def test_half_a_command_shows_its_help_and_is_wrong_use(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == EXIT_USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert " ".join(["usage: ingest", *command]) in shown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["print-config"],
        ["print-config", "--example", "--effective"],
        ["topics", "create", "--partitions", "0"],
        ["demo", "--rate", "nan"],
        ["demo", "--seconds", "1", "--events", "1"],
    ],
)
def test_wrong_use(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == EXIT_USAGE


@pytest.mark.parametrize(
    ("command", "expected"), [("run", ("source", "sink")), ("source", ("source",)), ("sink", ("sink",))]
)
def test_run_hands_over_the_configuration_and_how_to_read_it_again(
    command: str, expected: tuple[str, ...], file: Path, stand_in: Callable[[str, str, object], None]
) -> None:
    calls: list[tuple[Config, tuple[str, ...], Config]] = []

    def run(config: Config, *, roles: tuple[str, ...], reload: Callable[[], Config]) -> int:
        file.write_text(COMPLETE + "[metrics]\nport = 7\n")
        calls.append((config, roles, reload()))
        return 5

    stand_in("ingest.service.run", "run", run)
    assert main([command, "-c", str(file), "--set", "source.topic=other"]) == 5
    [(config, roles, reloaded)] = calls
    assert roles == expected
    assert (config.source.topic, config.metrics.port) == ("other", 9464)
    assert (reloaded.source.topic, reloaded.metrics.port) == ("other", 7)


@pytest.mark.parametrize(("flags", "expected"), [([], "read"), (["--ignore-legacy-leases"], "ignore")])
@pytest.mark.parametrize("command", ["run", "source"])
def test_leases_of_old_processors_are_ignored_on_request_alone(
    command: str, flags: list[str], expected: str, file: Path, stand_in: Callable[[str, str, object], None]
) -> None:
    calls: list[tuple[Config, Config]] = []

    def run(config: Config, *, roles: tuple[str, ...], reload: Callable[[], Config]) -> int:
        calls.append((config, reload()))
        return 0

    stand_in("ingest.service.run", "run", run)
    assert main([command, "-c", str(file), "--set", "source.topic=other", *flags]) == EXIT_OK
    [(config, reloaded)] = calls
    assert config.checkpoints.legacy_leases == reloaded.checkpoints.legacy_leases == expected
    assert config.source.topic == "other"


@pytest.mark.parametrize(("flags", "expected"), [([], False), (["--lenient-expiry"], True)])
@pytest.mark.parametrize("command", ["run", "sink"])
def test_expiries_are_read_leniently_on_request_alone(
    command: str, flags: list[str], expected: bool, file: Path, stand_in: Callable[[str, str, object], None]
) -> None:
    read: list[bool] = []

    def run(config: Config, *, roles: tuple[str, ...], reload: Callable[[], Config]) -> int:
        read.extend((config.sink.lenient_expiry, reload().sink.lenient_expiry))
        return 0

    stand_in("ingest.service.run", "run", run)
    assert main([command, "-c", str(file), *flags]) == EXIT_OK
    assert read == [expected, expected]


def test_a_wrong_configuration_gives_a_line_per_problem_before_anything_starts(
    file: Path, capsys: pytest.CaptureFixture[str], stand_in: Callable[[str, str, object], None]
) -> None:
    stand_in("ingest.service.run", "run", None)
    file.write_text(
        'source.topic = "a b"\nkafka.producers = 0\n' + COMPLETE.replace("SharedAccessKeyName=service;", "")
    )
    assert main(["run", "-c", str(file)]) == EXIT_CONFIG
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert shown.out == ""
    assert len(lines) == 4
    assert all(line.startswith("ingest: config: ") for line in lines)
    assert "s3cr3t" not in shown.err
    assert any(line.startswith('ingest: config: source.topic = "a b": not a legal Kafka topic name') for line in lines)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("INGEST__SOURCE__TOPIC", "from-outside")
    assert main(["print-config", "--effective"]) == EXIT_OK
    assert 'topic = "from-outside"' in capsys.readouterr().out


def test_the_printed_example_can_be_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["print-config", "--example"]) == EXIT_OK
    path = tmp_path / "example.toml"
    path.write_text(capsys.readouterr().out)
    load(path, environ={}, for_command="print-config")


def test_a_refusal_is_one_line(
    file: Path, capsys: pytest.CaptureFixture[str], stand_in: Callable[[str, str, object], None]
) -> None:
    def run(config: Config, **_: object) -> int:
        raise Refused("the hub does not know the policy 'service'")

    stand_in("ingest.service.run", "run", run)
    assert main(["run", "-c", str(file)]) == EXIT_UNAVAILABLE
    assert capsys.readouterr().err == "ingest: the hub does not know the policy 'service'\n"


def test_ctrl_c(file: Path, stand_in: Callable[[str, str, object], None]) -> None:
    def run(config: Config, **_: object) -> int:
        raise KeyboardInterrupt

    stand_in("ingest.service.run", "run", run)
    assert main(["run", "-c", str(file)]) == 130


def test_demo_gets_its_options(stand_in: Callable[[str, str, object], None]) -> None:
    seen: list[Any] = []

    def run(args: object) -> int:
        seen.append(args)
        return 1

    stand_in("ingest.demo", "run", run)
    assert main(["demo", "--events", "20000", "--rate", "50", "--partitions", "2", "--devices", "3", "--json"]) == 1
    [args] = seen
    assert (args.events, args.seconds, args.rate, args.partitions, args.devices) == (20000, None, 50.0, 2, 3)
    assert args.as_json


HEAVY = "azure, confluent_kafka, rich, cryptography, prometheus_client, uamqp, aiohttp, orjson"


def test_the_command_line_imports_nothing_heavy() -> None:
    script = (
        "import sys, ingest.cli.main\n"
        "try: ingest.cli.main.main(['run'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in '{HEAVY}'.split(', ') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def shown(*arguments: str, stdout: int | IO[bytes], **environment: str) -> tuple[int, str]:
    """Exit code and stderr of a command of its own."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-m", "ingest", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**known, **environment},
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["print-config", "--example"], ["--help"]])
def test_a_reader_that_goes_away_early_is_no_crash(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        assert shown(*arguments, stdout=write) == (1, "")
    finally:
        os.close(write)


def test_a_full_disk_under_the_output_is_said_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        words = "ingest: the output cannot be written: No space left on device\n"
        assert shown("print-config", "--example", stdout=full) == (1, words)


def test_a_locale_that_lacks_a_character_ends_no_command() -> None:
    assert shown("run", "--help", stdout=subprocess.DEVNULL, PYTHONIOENCODING="ascii") == (0, "")


def test_json_output_is_json(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["--set", "checkpoints.store=file", "--set", f"checkpoints.path={tmp_path / 'positions'}"]
    assert main(["checkpoints", "show", "-c", str(file), "--json", *overrides]) == EXIT_OK
    assert json.loads(capsys.readouterr().out) == []
