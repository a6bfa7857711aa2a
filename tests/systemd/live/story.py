"""The life of two nodes, from bare machines to uninstalled ones, while devices send and receive.

First each has partitions of its own, and checkpoints in its state folder; then both share another hub, exactly once.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
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
"""Machine → its partitions, while nothing is shared."""
SHARED = {"cluster": {"coordination": "kafka"}, "source": {"delivery": "exactly_once"}}


class Story:
    """Two machines, and a medium with ingest. Use as a `with` block, then call `tell`."""

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
            self._nodes = []
            for name in SHARES:
                root = guard.folder / name
                tree.copy(debian, root)
                closing.callback(shutil.rmtree, root)
                machine = closing.enter_context(Machine(name, root, self._medium.folder, guard))
                port = ReservedPort()
                closing.callback(port.close)
                self._nodes.append(Node(machine, port.number))
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def tell(self) -> None:
        self._boot()
        self._install()
        with Traffic(self._bootstrap) as self._traffic:
            self._configure()
            self._wrong_configuration()
            self._start()
            self._partition_process()
            self._reloads()
            self._stop_and_start()
            self._count("each with partitions of its own, at least once")
        with Traffic(self._bootstrap) as self._traffic:
            self._share()
            self._stop_of_one()
            self._kill_of_the_service()
            self._freeze_of_the_service()
            self._upgrade()
            self._reboot()
            self._power_cut()
            assert self._count("two nodes that share a hub, exactly once") == 0
        self._stop_without_hub()
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

    def _lend_environments(self) -> None:
        """What the installer has made on the first machine, for the second: to make it twice says nothing new."""
        theirs, ours = (node.machine.root / "opt/ingest/versions" for node in self._nodes)
        ours.mkdir(parents=True, exist_ok=True)
        for version in theirs.iterdir():
            if not (ours / version.name).exists():
                tree.copy(version, ours / version.name)

    def _configure(self) -> None:
        for node in self._nodes:
            node.point_at(self._traffic, {"source": {"partitions": SHARES[node.machine.name]}})

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
        with self._step("all that was sent is in Kafka") as found:
            self._traffic.wait_caught_up()
            found.append(f"{self._traffic.repeats:,} repeated so far")

    def _partition_process(self) -> None:
        node = self._nodes[0]
        assert os.sched_getscheduler(node.child("source partition 0").pid) == os.SCHED_BATCH
        for title, partition, strike in (
            ("kill -9 of a partition process", "source partition 0", psutil.Process.kill),
            ("SIGSTOP of a partition process", "source partition 1", psutil.Process.suspend),
        ):
            with self._step(title, node):
                old = node.child(partition)
                strike(old)
                node.wait_replaced(partition, old.pid)
                node.wait_working(2)
                assert node.show("NRestarts") == "0"
            assert self._log.seconds[title] < HANG_SECONDS
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

    def _count(self, title: str) -> int:
        """Ends the traffic. Returns how many events came twice."""
        with self._step(f"what came through: {title}") as found:
            found.append(self._traffic.count())
        return self._traffic.repeats

    def _share(self) -> None:
        left, right = self._nodes
        for node in self._nodes:
            node.point_at(self._traffic, SHARED)
        with self._step("ingest topics create", left) as found:
            found += left.operate("topics create").splitlines()
        with self._step("both restart, to share a new hub", right) as found:
            for node in self._nodes:
                node.systemctl("restart")
            found += self._both()

    def _both(self) -> list[str]:
        """Until each has two partitions. Returns what they say."""
        return [node.wait_working(2) for node in self._nodes]

    def _strike(
        self, title: str, node: Node, strike: Callable[[], object], other: Node, back: Callable[[], object]
    ) -> None:
        """Something happens to one; the other takes all partitions over until the first is back."""
        with self._step(title, other):
            strike()
            other.wait_working(4)
            self._traffic.wait_caught_up()
        with self._step(f"{title}: {node.machine.name} is back, and both share", node):
            back()
            self._both()
        self._caught_up()

    def _stop_of_one(self) -> None:
        left, right = self._nodes
        self._strike(
            "systemctl stop, and the other has all",
            left,
            lambda: left.systemctl("stop"),
            right,
            lambda: left.systemctl("start"),
        )

    def _kill_of_the_service(self) -> None:
        """systemd starts it again within the session: the group never notices."""
        node = self._nodes[1]
        with self._step("kill -9 of the service", node) as found:
            main = node.main()
            family = [main, *main.children(recursive=True)]
            main.kill()
            node.wait_show("NRestarts", "^1$")
            _, left_over = psutil.wait_procs(family, PATIENCE_SECONDS)
            assert not left_over
            node.wait_show("ActiveState", "^active$")
            found.append("its processes are gone, and it is back")
            self._both()
        self._caught_up()

    def _freeze_of_the_service(self) -> None:
        left, right = self._nodes
        begin = time.monotonic()

        def back() -> None:
            right.wait_show("NRestarts", "^2$", WATCHDOG_SECONDS)
            right.wait_show("ActiveState", "^active$", WATCHDOG_SECONDS)
            assert time.monotonic() - begin < WATCHDOG_SECONDS
            right.wait_logged("Watchdog timeout")
            right.wait_logged("most recent call first")

        self._strike("SIGSTOP of the service, and the other has all", right, right.main().suspend, left, back)

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
                self._both()
                found.append(f"{node.version()} runs")
                assert node.version() == f"{old}.post1"
        back = next(line for line in said.splitlines() if line.startswith("To go back: "))
        with self._step(f"{name} goes back, as install.sh has said", node) as found:
            node.machine.sh(back.removeprefix("To go back: ").removesuffix(", and restart."))
            node.machine.sh("systemctl restart 'ingest*@*'")
            self._both()
            found.append(f"{node.version()} runs")
            assert node.version() == old
        self._caught_up()

    def _reboot(self) -> None:
        left, right = self._nodes
        self._strike(
            "shutdown of a machine, and the other has all", left, left.machine.power_off, right, left.machine.start
        )

    def _power_cut(self) -> None:
        left, right = self._nodes
        self._strike(
            "power cut of a machine, and the other has all", right, right.machine.terminate, left, right.machine.start
        )

    def _stop_without_hub(self) -> None:
        for node in self._nodes:
            with self._step(f"systemctl stop on {node.machine.name}, whose hub is away", node) as found:
                node.systemctl("stop")
                found.append(f"result {node.show('Result')}")
                assert found == ["result success"]

    def _uninstall(self) -> None:
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
