"""Faults of all kinds, one at a time, chosen by a seed."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

from tests.faults.sink_rig import SinkRig
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

_LONGEST_FREEZE_SECONDS = 8.0


class Strikes:
    """What can happen to the service of `rig`, its brokers and its store."""

    def __init__(
        self, rig: SinkRig, kafka: KafkaCluster, brokers: int, blob: Azurite, reload: Callable[[], None], seed: int
    ) -> None:
        """`reload` changes the configuration file."""
        self.counts: Counter[str] = Counter()
        self.exits: Counter[str] = Counter()
        """Exit codes after SIGTERM."""
        self.ends: Counter[str] = Counter()
        """Exit codes of services that ended without being told to."""
        self._rig = rig
        self._kafka = kafka
        self._brokers = brokers
        self._blob = blob
        self._change = reload
        self._random = random.Random(seed)
        faults, sends = rig.hub.faults, rig.hub.faults.sends
        self._kinds: dict[str, Callable[[], object]] = {
            "kill a child": self._kill_child,
            "freeze a child": self._freeze_child,
            "kill the supervisor": self._kill_supervisor,
            "SIGTERM and start": self._restart,
            "SIGHUP": lambda: rig.sink.send_signal(signal.SIGHUP),
            "SIGHUP, changed": self._reload_changed,
            "kill a broker": self._kill_broker,
            "freeze a broker": self._freeze_broker,
            "freeze the store": self._freeze_store,
            "hub detaches": faults.detach,
            "hub closes": faults.close,
            "hub aborts": faults.abort,
            "hub throttles": lambda: faults.throttle(count=2),
            "hub refuses tokens": lambda: faults.refuse_cbs(count=2),
            "hub detaches service links": sends.detach_service_links,
            "hub aborts service connections": sends.abort_service_connections,
            "hub closes service connections": sends.close_service_connections,
            "hub loses dispositions": lambda: sends.lose_disposition(count=3),
        }

    def choose(self) -> str:
        """The name of the next fault."""
        return self._random.choice(list(self._kinds))

    def revive(self) -> None:
        """Starts a service that has ended by itself, as systemd does: a start that the hub refuses ends with 69."""
        code = self._rig.sink.ended()
        if code is not None:
            self.ends[str(code)] += 1
            self._rig.sink.start()

    def strike(self, kind: str) -> None:
        """Makes the fault and waits out its duration."""
        self.counts[kind] += 1
        self._kinds[kind]()

    def pause(self) -> None:
        """Up to 4 s of peace."""
        time.sleep(self._random.uniform(0.2, 4.0))

    def _victim(self) -> int | None:
        found = self._rig.sink.descendants()
        return self._random.choice(found) if found else None

    def _kill_child(self) -> None:
        _signal(self._victim(), signal.SIGKILL)

    def _freeze_child(self) -> None:
        victim = self._victim()
        _signal(victim, signal.SIGSTOP)
        self._freeze()
        _signal(victim, signal.SIGCONT)

    def _kill_supervisor(self) -> None:
        self._rig.sink.kill()
        self._rig.sink.start()

    def _restart(self) -> None:
        self.exits[str(self._rig.sink.close())] += 1
        self._rig.sink.start()

    def _reload_changed(self) -> None:
        self._change()
        self._rig.sink.send_signal(signal.SIGHUP)

    def _kill_broker(self) -> None:
        broker = self._random.randint(1, self._brokers)
        self._kafka.kill(broker)
        self._freeze()
        self._kafka.restart(broker)

    def _freeze_broker(self) -> None:
        broker = self._random.randint(1, self._brokers)
        self._kafka.pause(broker)
        self._freeze()
        self._kafka.resume(broker)

    def _freeze_store(self) -> None:
        self._blob.pause()
        self._freeze()
        self._blob.resume()

    def _freeze(self) -> None:
        time.sleep(self._random.uniform(0.5, _LONGEST_FREEZE_SECONDS))


def _signal(pid: int | None, number: signal.Signals) -> None:
    try:
        if pid is not None:
            os.kill(pid, number)
    except ProcessLookupError:
        pass  # the supervisor was faster
