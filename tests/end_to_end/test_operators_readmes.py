"""The commands of systemd/README.md, typed one after another on a pretended node, and what grafana/README.md quotes.

Programs that need root, a network or a running systemd are stand-ins that write down what they were asked for; the
installer is the real one, below a prefix.
"""

import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ingest.cli.main import main
from ingest.errors import EXIT_OK
from tests.end_to_end.documents import Document, squeezed
from tests.services import ROOT

SYSTEMD = Document("systemd/README.md")
GRAFANA = Document("grafana/README.md")
STAND_INS = ("apt-get", "curl", "editor", "git", "ingest", "journalctl", "systemctl")
REAL = ("cat", "export", "ingest/systemd/install.sh", "ln", "ls", "rm", "umask")
"""Of the shell, of every machine, and our own."""
PLACES = ("/etc/ingest", "/opt/ingest", "/var/lib/ingest")
SECRET = "Endpoint=sb://…"
NAME = "NAME"
"""Of the instance, as the page has it."""


def parts() -> list[str]:
    """Every command of the page; of `this && that` both."""
    return [squeezed(part) for line in SYSTEMD.commands() for part in line.split(" && ")]


@pytest.mark.parametrize("command", parts())
def test_the_program_is_known(command: str) -> None:
    assert command.split()[0] in (*STAND_INS, *REAL)


class Node:
    """A folder in place of `/`, a checkout in `work/ingest`, and what the stand-ins were asked for."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.work = folder / "work"
        self.programs = folder / "bin"
        self._asked = folder / "asked"
        for made in (self.root, self.work / "ingest" / "systemd", self.programs):
            made.mkdir(parents=True)
        for name in STAND_INS:
            self._program(self.programs / name, f'echo {name} "$*" >> {shlex.quote(str(self._asked))}')
        self.installer = self.work / "ingest" / "systemd" / "install.sh"
        real = f"sh {ROOT}/systemd/install.sh --prefix {self.root} --python {sys.executable}"
        self._program(self.installer, f'exec {real} "$@"')
        self._pretend_environment()

    @staticmethod
    def _program(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def _pretend_environment(self) -> None:
        """The environments of this version and of the one to go back to are there already."""
        said = self.sh("ingest/systemd/install.sh --dry-run")
        versions = self.root / "opt/ingest/versions"
        (before,) = set(re.findall(r"versions/(\S+-[0-9a-f]{8}) ", " ".join(SYSTEMD.commands()) + " "))
        for home in (re.findall(r"virtual environment (\S+)", said)[0], versions / before):
            Path(home, "bin").mkdir(parents=True)
            Path(home, ".complete").touch()

    def sh(self, script: str) -> str:
        for place in PLACES:
            script = script.replace(place, f"{self.root}{place}")
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            input=f"{SECRET}\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.work,
            env={"PATH": f"{self.programs}:/usr/bin:/bin"},
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def asked(self) -> list[str]:
        return self._asked.read_text().replace(str(self.root), "").splitlines()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_commands_of_systemd_in_their_order(node: Node) -> None:
    *before, last = SYSTEMD.commands()
    assert last.endswith("--uninstall")
    node.sh("\n".join(before))
    current = node.root / "opt/ingest/current"
    secret = node.root / "etc/ingest" / NAME / "event-hub"
    assert secret.read_text() == f"{SECRET}\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert (node.root / f"etc/ingest/{NAME}.toml").is_file()
    assert not current.exists(), "it went back to a version, and then removed it"
    node.sh(last)
    assert not (node.root / "opt/ingest").exists()
    assert secret.is_file()


def test_the_commands_of_systemd_name_what_exists(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.sh("\n".join(SYSTEMD.commands()))
    asked = node.asked()
    assert {line.split()[0] for line in asked} == set(STAND_INS)
    for line in asked:
        program, *words = line.split()
        match program:
            case "systemctl" | "journalctl":
                (unit,) = [word for word in words if word.startswith("ingest")]
                file = unit.replace(NAME, "")
                file = file if file.endswith(".timer") else f"{file}.service"
                assert unit == "ingest*@*" or (ROOT / "systemd" / file).is_file()
            case "curl":
                assert words[-1] == "http://127.0.0.1:9464/readyz"
            case "editor":
                assert words == [f"/etc/ingest/{NAME}.toml"]
            case "apt-get":
                assert words == ["install", "git", "python3-venv"]
            case "ingest":
                verbs = [word for word in words if not word.startswith(("-", "/"))]
                with pytest.raises(SystemExit) as raised:
                    main([*verbs, "--help"])
                shown = capsys.readouterr().out
                assert raised.value.code == EXIT_OK
                assert all(word in shown for word in words if word.startswith("-"))


def test_the_example_of_grafana_is_one_for_prometheus() -> None:
    (example,) = GRAFANA.blocks("yaml")
    loaded = yaml.safe_load(example)
    assert all((GRAFANA.folder / file).is_file() for file in loaded["rule_files"])
    (job,) = loaded["scrape_configs"]
    assert f'up{{job="{job["job_name"]}"}}' in (GRAFANA.folder / "alerts.yaml").read_text()


def test_the_command_of_grafana_gives_whole_addresses() -> None:
    (command,) = [span for span in GRAFANA.spans() if span.startswith("sed ")]
    done = subprocess.run(
        ["sh", "-c", command], cwd=GRAFANA.folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert set(re.findall(r"runbook_url: (\S+)#", done.stdout)) == {"https://wiki.example/RUNBOOK.md"}


def test_files_of_grafana_exist() -> None:
    named = [span for span in GRAFANA.spans() if re.fullmatch(r"[\w/]+(\.json|\.yaml|\.md|/)", span)]
    assert {"ingest.json", "RUNBOOK.md", "provisioning/", "rows/"} <= set(named)
    assert [name for name in named if not any((base / name).exists() for base in (GRAFANA.folder, ROOT))] == []
