"""The life of two nodes that share a hub, from a bare machine to an uninstalled one, while devices send and receive."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from ingest.errors import EXIT_CONFIG
from tests.faults.waiting import PATIENCE_SECONDS, wait_until
from tests.services.guard import Guard
from tests.services.ports import ReservedPort
from tests.systemd.live import tree
from tests.systemd.live.log import Log
from tests.systemd.live.machine import Machine
from tests.systemd.live.node import INSTANCE, UNIT, Node
from tests.systemd.live.traffic import Traffic

STOP_SECONDS = 45
"""`TimeoutStopSec=` of the units."""
HANG_SECONDS = 30
"""What systemd/README.md promises for a partition process that hangs."""
WATCHDOG_SECONDS = 60
"""`WatchdogSec=` and `TimeoutAbortSec=` and `RestartSec=`, and the start."""
SHARES = {"left": ["0", "1"], "right": ["2", "3"]}


class Story:
    """Two machines, a medium with ingest, and traffic. Use as a `with` block, then call `tell`."""

    def __init__(self, bootstrap: str, log: Log, wheel: Path | None = None) -> None:
        self._bootstrap = bootstrap
        self._log = log
        self._wheel = wheel
        self._closing = ExitStack()

    def __enter__(self) -> "Story":
        with ExitStack() as closing:
            guard = Guard("live")
            closing.callback(guard.close)
            with self._log.step("a bare Debian 12, and a medium with two versions of ingest"):
                debian = tree.debian()
                self._medium = tree.medium(guard.folder / "medium", self._wheel)
            self._traffic = closing.enter_context(Traffic(self._bootstrap))
            self._nodes = []
            for name, share in SHARES.items():
                root = guard.folder / name
                tree.copy(debian, root)
                closing.callback(shutil.rmtree, root)
                machine = closing.enter_context(Machine(name, root, self._medium.folder, guard))
                port = ReservedPort()
                closing.callback(port.close)
                own = {"source": {**self._traffic.settings()["source"], "partitions": share}}
                settings = {**self._traffic.settings(), **own}
                self._nodes.append(Node(machine, settings, self._traffic.secrets(), self._traffic.ca, port.number))
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def tell(self) -> None:
        self._boot()
        self._install()
        self._wrong_configuration()
        self._start()
        self._kills()
        self._freezes()
        self._reloads()
        self._stop_and_start()
        self._upgrade()
        self._reboot()
        self._power_cut()
        self._uninstall()

    @contextmanager
    def _step(self, title: str, node: Node | None = None) -> Iterator[list[str]]:
        with self._log.step(title) as found:
            try:
                yield found
            except BaseException:
                if node is not None:
                    self._log(node.machine.sh(f"systemctl status {UNIT}; journalctl -n 60 --no-pager", expect=None))
                raise

    def _boot(self) -> None:
        with self._step("both machines boot") as found, ThreadPoolExecutor() as both:
            found += both.map(lambda node: node.machine.start(), self._nodes)
            found.append(self._nodes[0].machine.sh("systemctl --version").splitlines()[0])

    def _install(self) -> None:
        left, right = self._nodes
        with self._step("install.sh on the first") as found:
            found += left.install(self._medium.first).splitlines()[-3:]
        with self._step("install.sh again changes nothing"):
            assert left.install(self._medium.first) == ""
        with self._step("install.sh on the second, whose environment is a copy"):
            self._lend_environments()
            right.install(self._medium.first)
        for node in self._nodes:
            node.give_secrets()
            node.configure()

    def _lend_environments(self) -> None:
        """What the installer has made on the first machine, for the second: to make it twice says nothing new."""
        theirs, ours = (node.machine.root / "opt/ingest/versions" for node in self._nodes)
        ours.mkdir(parents=True, exist_ok=True)
        for version in theirs.iterdir():
            if not (ours / version.name).exists():
                tree.copy(version, ours / version.name)

    def _wrong_configuration(self) -> None:
        node = self._nodes[0]
        with self._step("start with a wrong configuration", node) as found:
            node.configure({"source": {"topix": "telemetry"}})
            assert "failed" in node.systemctl("start", expect=1)
            node.wait_show("ActiveState", "^failed$")
            found.append(f"exit code {node.show('ExecMainStatus')}, {node.show('NRestarts')} restarts")
            assert found == [f"exit code {EXIT_CONFIG}, 0 restarts"]
            assert "did you mean" in node.journal()
            node.configure()

    def _start(self) -> None:
        for node in self._nodes:
            with self._step(f"systemctl enable --now {UNIT} on {node.machine.name}", node) as found:
                node.systemctl("enable --now")
                assert node.show("ActiveState") == "active"
                found.append(node.status())
                node.wait_working(2)
        self._caught_up()

    def _caught_up(self) -> None:
        with self._step("all that was sent is in Kafka"):
            self._traffic.wait_caught_up()

    def _kills(self) -> None:
        left, right = self._nodes
        with self._step("kill -9 of a partition process", left):
            old = left.child("source partition 0")
            old.kill()
            left.wait_replaced("source partition 0", old.pid)
            left.wait_working(2)
            assert left.show("NRestarts") == "0"
        with self._step("kill -9 of the service", right) as found:
            main = right.main()
            family = [main, *main.children(recursive=True)]
            main.kill()
            right.wait_show("NRestarts", "^1$")
            _, left_over = psutil.wait_procs(family, PATIENCE_SECONDS)
            assert not left_over
            right.wait_show("ActiveState", "^active$")
            right.wait_working(2)
            found.append("its processes are gone, and it is back")
        self._caught_up()

    def _freezes(self) -> None:
        """A partition process of one node, and at the same time the service of the other."""
        left, right = self._nodes
        main = right.main()
        restarts = int(right.show("NRestarts"))
        main.suspend()
        frozen = time.monotonic()
        with self._step("SIGSTOP of a partition process", left) as found:
            old = left.child("source partition 1")
            old.suspend()
            left.wait_replaced("source partition 1", old.pid)
            left.wait_working(2)
            assert left.show("NRestarts") == "0"
        assert self._log.seconds["SIGSTOP of a partition process"] < HANG_SECONDS
        with self._step("SIGSTOP of the service, at the same time on the other", right) as found:
            right.wait_show("NRestarts", f"^{restarts + 1}$", WATCHDOG_SECONDS)
            right.wait_show("ActiveState", "^active$", WATCHDOG_SECONDS)
            right.wait_working(2)
            took = time.monotonic() - frozen
            found.append(f"the watchdog ended it; working again {took:.0f} s after it froze")
            right.wait_logged("Watchdog timeout|watchdog")
            right.wait_logged("most recent call first")
        assert took < WATCHDOG_SECONDS
        self._caught_up()

    def _reloads(self) -> None:
        node = self._nodes[0]
        main = node.main().pid
        with self._step("reload of a wrong configuration", node) as found:
            node.configure({"source": {"topix": "telemetry"}})
            found.append(node.systemctl("reload", expect=1).splitlines()[0])
            assert node.show("ActiveState") == "active"
            assert node.status().startswith("receiving 2 of 2 partitions")
        with self._step("reload of one that the hub refuses", node) as found:
            node.configure({"source": {"consumer_group": "nobody"}})
            node.systemctl("reload", expect=None)
            found.append(node.wait_show("StatusText", "reload refused"))
            assert found[0].startswith("receiving 2 of 2 partitions")
        with self._step("reload of a right one", node) as found:
            node.configure({"checkpoints": {"interval_seconds": 2}})
            node.systemctl("reload")
            found.append(node.wait_show("StatusText", r"^receiving 2 of 2 partitions(?!.*reload refused)"))
            assert node.main().pid == main
            assert "interval_seconds" in node.machine.sh(f"cat /etc/ingest/{INSTANCE}.toml")
        self._caught_up()

    def _stop_and_start(self) -> None:
        node = self._nodes[0]
        with self._step("systemctl stop", node) as found:
            before = self._traffic.repeats
            node.systemctl("stop")
            found.append(f"result {node.show('Result')}, exit code {node.show('ExecMainStatus')}, {node.status()}")
            assert found[0].startswith("result success, exit code 0")
            assert node.show("ActiveState") == "inactive"
        assert self._log.seconds["systemctl stop"] < STOP_SECONDS
        with self._step("systemctl start", node):
            node.systemctl("start")
            node.wait_working(2)
        with self._step("all that was sent is in Kafka, and nothing twice"):
            self._traffic.wait_caught_up()
            assert self._traffic.repeats == before

    def _upgrade(self) -> None:
        for node in self._nodes:
            name = node.machine.name
            old = node.version()
            self._lend_environments()
            with self._step(f"upgrade of {name}: install.sh with the second version", node) as found:
                said = node.install(self._medium.second)
                assert "What runs still is" in said, said
                assert node.version() == old
                found.append(f"{old} runs still")
            with self._step(f"upgrade of {name}: systemctl restart 'ingest*@*'", node) as found:
                node.machine.sh("systemctl restart 'ingest*@*'")
                node.wait_working(2)
                found.append(f"{node.version()} runs")
                assert node.version() == f"{old}.post1"
        back = next(line for line in said.splitlines() if line.startswith("To go back: "))
        with self._step(f"{name} goes back, as install.sh has said", node) as found:
            node.machine.sh(back.removeprefix("To go back: ").removesuffix(", and restart."))
            node.machine.sh("systemctl restart 'ingest*@*'")
            node.wait_working(2)
            found.append(f"{node.version()} runs")
            assert node.version() == old
        self._caught_up()

    def _reboot(self) -> None:
        node = self._nodes[0]
        with self._step("shutdown of the first machine, and its boot", node) as found:
            node.machine.power_off()
            found.append(node.machine.start())
            node.wait_show("ActiveState", "^active$")
            node.wait_working(2)
            found.append("what was enabled is back")
        self._caught_up()

    def _power_cut(self) -> None:
        node = self._nodes[1]
        with self._step("power cut of the second machine, and its boot", node) as found:
            node.machine.terminate()
            found.append(node.machine.start())
            node.wait_show("ActiveState", "^active$")
            node.wait_working(2)
        self._caught_up()

    def _uninstall(self) -> None:
        with self._step("what came through") as found:
            found.append(self._traffic.count())
        for node in self._nodes:
            with self._step(f"install.sh --uninstall on {node.machine.name}", node) as found:
                node.machine.sh("/media/systemd/install.sh --uninstall")
                assert node.machine.sh(f"systemctl cat {UNIT}", expect=1)
                wait_until(
                    lambda node=node: (
                        not [  # type: ignore[misc]
                            one for one in node.machine.processes() if "ingest" in " ".join(one.cmdline())
                        ]
                    ),
                    "processes are left",
                )
                gone = ("opt/ingest", "usr/local/bin/ingest", "usr/local/lib/systemd/system/ingest@.service")
                assert not [name for name in gone if (node.machine.root / name).exists()]
                kept = sorted(path.name for path in (node.machine.root / "etc/ingest").iterdir())
                found.append(f"/etc/ingest keeps {', '.join(kept)}")
                assert (node.machine.root / "etc/ingest" / INSTANCE / "event-hub").is_file()
                assert node.machine.sh("systemctl is-system-running", expect=None).strip() == "running"
