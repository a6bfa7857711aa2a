"""ingest on one machine, as an operator sees it: the installer, /etc/ingest, systemctl, the journal."""

import re
import urllib.request

import psutil

from tests.faults.ingest_process import Sections, write_config
from tests.faults.waiting import PATIENCE_SECONDS, wait_until
from tests.systemd.live.machine import Machine
from tests.systemd.live.traffic import Traffic

INSTANCE = "plant"
UNIT = f"ingest@{INSTANCE}"


class Node:
    """One instance of `ingest@` on a machine."""

    def __init__(self, machine: Machine, port: int) -> None:
        """`port`: for metrics, as machines share a network here."""
        self.machine = machine
        self._port = port
        self._etc = machine.root / "etc/ingest"
        self._settings: Sections = {}

    def install(self, wheel: str) -> str:
        """Returns what the installer said."""
        offline = "PIP_NO_INDEX=1 PIP_FIND_LINKS=/media/wheels"
        return self.machine.sh(
            f"{offline} /media/systemd/install.sh --wheel /media/wheels/{wheel} --instance {INSTANCE}", seconds=600
        )

    def point_at(self, traffic: Traffic, *layers: Sections) -> None:
        """Give it the secrets of a hub, and a configuration for it that has these layers, too."""
        for name, text in traffic.secrets().items():
            secret = self._etc / INSTANCE / name
            secret.touch(mode=0o600)
            secret.write_text(text + "\n")
        (self._etc / "ca.pem").write_bytes(traffic.ca.read_bytes())
        merged: dict[str, dict[str, object]] = {}
        for layer in (traffic.settings(), *layers, {"metrics": {"port": self._port}}):
            for section, keys in layer.items():
                merged.setdefault(section, {}).update(keys)
        self._settings = merged
        self.configure()

    def configure(self, *layers: Sections) -> None:
        """Write the configuration; later layers over earlier ones, and all over this node's own."""
        write_config(self._etc / f"{INSTANCE}.toml", self._settings, *layers)

    def systemctl(self, verb: str, *, expect: int | None = 0, seconds: float = 120) -> str:
        return self.machine.sh(f"systemctl {verb} {UNIT}", expect=expect, seconds=seconds)

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.machine.sh(f"systemctl show --property={name} --value {UNIT}").strip()

    def wait_show(self, name: str, pattern: str, seconds: float = PATIENCE_SECONDS) -> str:
        """A property of the unit, once the regular expression is found in it."""

        def look() -> str | None:
            value = self.show(name)
            return value if re.search(pattern, value) else None

        return (
            wait_until(
                look, lambda: f"{name} is {self.show(name)!r}, not {pattern!r}\n{self.journal()[-3000:]}", seconds
            )
            or ""
        )

    def operate(self, command: str) -> str:
        """A command of an operator, typed as systemd/README.md says. Returns what it printed."""
        found = f"CREDENTIALS_DIRECTORY=/etc/ingest/{INSTANCE} INGEST__CHECKPOINTS__PATH=/var/lib/ingest/{INSTANCE}/checkpoints"
        return self.machine.sh(f"{found} ingest {command} -c /etc/ingest/{INSTANCE}.toml")

    def status(self) -> str:
        """The line for people."""
        return self.show("StatusText")

    def wait_working(self, partitions: int, seconds: float = PATIENCE_SECONDS) -> str:
        return self.wait_show(
            "StatusText", rf"receiving {partitions} of {partitions} partitions, sending with", seconds
        )

    def journal(self) -> str:
        """All that the instance has logged."""
        return self.machine.sh(f"journalctl --unit={UNIT} --output=cat --no-pager")

    def wait_logged(self, pattern: str, seconds: float = PATIENCE_SECONDS) -> str:
        found = wait_until(
            lambda: re.search(pattern, self.journal()), lambda: f"no {pattern!r} in {self.journal()[-3000:]}", seconds
        )
        assert found is not None
        return found[0]

    def main(self) -> psutil.Process:
        """The service itself."""
        return self.machine.process(int(self.show("MainPID")))

    def child(self, title: str) -> psutil.Process:
        """The process of the service with this title, such as `source partition 0`."""
        return next(
            process
            for process in self.main().children(recursive=True)
            if " ".join(process.cmdline()).startswith(f"ingest: {title}")
        )

    def wait_replaced(self, title: str, old: int, seconds: float = PATIENCE_SECONDS) -> int:
        """Until a process other than `old` has the title. Returns its number."""

        def look() -> int | None:
            try:
                pid = self.child(title).pid
            except (StopIteration, psutil.Error):
                return None
            return pid if pid != old else None

        return wait_until(look, f"{title} is not replaced", seconds) or 0

    def version(self) -> str:
        """Of what runs."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=PATIENCE_SECONDS) as answer:
            found = re.search(r'ingest_build_info\{[^}]*version="([^"]+)"', answer.read().decode())
        return found[1] if found else ""

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=PATIENCE_SECONDS) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
