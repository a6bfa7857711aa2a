"""What each kind of fault does, and to whom."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from tests.end_to_end.emulator_process import EmulatorProcess
from tests.faults.waiting import wait_until
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.services.swallowing import SwallowingProxy
from tests.storm.service import Service

Act = Callable[[float, random.Random], None]
"""Strikes and waits out the seconds of the fault; whom it strikes is chosen."""
_VICTIM_SECONDS = 120.0
_SLOW_STOPS, _SLOW_GOES = 0.25, 0.05
"""What is slow stands still for the first and runs for the second, again and again: a sixth of its speed."""
_ROUND_TRIP_SECONDS = 0.2, 1.0
_STEP_SECONDS = 1.5
"""From the kill of one broker in a row to the next one's, after it is back."""


class Acts:
    """Of one storm. Those of one lane are called from one thread; `counts` may be read from any."""

    def __init__(
        self,
        service: Service,
        hub: EmulatorProcess,
        hub_proxy: SwallowingProxy,
        kafka: KafkaCluster,
        brokers: int,
        store: Azurite | None,
    ) -> None:
        """`brokers`: how many `kafka` has. `store`: where the checkpoints are, if not in a folder."""
        self.counts: Counter[str] = Counter()
        """What was struck: one for each process, broker, node."""
        self._service = service
        self._hub = hub
        self._proxy = hub_proxy
        self._kafka = kafka
        self._brokers = range(1, brokers + 1)
        self._store = store
        self.of: dict[str, Act] = {
            "kill a partition process": partial(self._kill_processes, 1),
            "kill two partition processes": partial(self._kill_processes, 2),
            "kill all partition processes": partial(self._kill_processes, 1_000),
            "freeze a partition process": self._freeze_process,
            "kill the supervisor": self._kill_supervisor,
            "stop and start the service": self._restart_service,
            "freeze the node while another takes its place": partial(self._zombie, service.freeze_node),
            "freeze an orphan while another takes its place": partial(self._zombie, service.freeze_orphan),
            "restart the brokers one after the other": self._rolling,
            "kill two brokers at once": self._two_brokers,
            "freeze a broker": self._freeze_broker,
            "slow disk of a broker": self._slow_broker,
            "freeze the store": self._freeze_store,
            "stop the store": self._stop_store,
            "slow store": self._slow_store,
            "links are detached": partial(self._link, ("detach",)),
            "connections are closed": partial(self._link, ("close",)),
            "connections are reset": partial(self._link, ("abort",)),
            "connections fall silent": self._swallow,
            "slow network": self._slow_network,
            "the hub is busy": partial(self._link, ("throttle",)),
            "the hub refuses tokens": partial(self._link, ("refuse_cbs", "close")),
            "the hub refuses links": partial(self._link, ("refuse_attach", "detach")),
        }

    def _kill_processes(self, most: int, seconds: float, chosen: random.Random) -> None:
        for pid in self._victims(most, chosen):
            self.counts["kills"] += _signalled(pid, signal.SIGKILL)

    def _freeze_process(self, seconds: float, chosen: random.Random) -> None:
        (victim,) = self._victims(1, chosen)
        self.counts["freezes"] += _signalled(victim, signal.SIGSTOP)
        time.sleep(seconds)
        _signalled(victim, signal.SIGCONT)

    def _victims(self, most: int, chosen: random.Random) -> list[int]:
        found = wait_until(
            self._service.partition_processes, "there is no partition process to strike", _VICTIM_SECONDS
        )
        return chosen.sample(found, min(most, len(found)))

    def _kill_supervisor(self, seconds: float, chosen: random.Random) -> None:
        self._service.kill_supervisor()
        self.counts["supervisor_kills"] += 1

    def _restart_service(self, seconds: float, chosen: random.Random) -> None:
        self._service.restart()

    def _zombie(self, freeze: Act, seconds: float, chosen: random.Random) -> None:
        freeze(seconds, chosen)
        self.counts["zombies"] += 1

    def _rolling(self, seconds: float, chosen: random.Random) -> None:
        for broker in chosen.sample(self._brokers, len(self._brokers)):
            self._kafka.kill(broker)
            time.sleep(seconds)
            self._restart_broker(broker)
            time.sleep(_STEP_SECONDS)

    def _two_brokers(self, seconds: float, chosen: random.Random) -> None:
        both = chosen.sample(self._brokers, 2)
        for broker in both:
            self._kafka.kill(broker)
        time.sleep(seconds)
        for broker in both:
            self._restart_broker(broker)

    def _restart_broker(self, broker: int) -> None:
        self._kafka.restart(broker)
        self.counts["broker_restarts"] += 1

    def _freeze_broker(self, seconds: float, chosen: random.Random) -> None:
        broker = chosen.choice(self._brokers)
        self._kafka.pause(broker)
        time.sleep(seconds)
        self._kafka.resume(broker)
        self.counts["broker_freezes"] += 1

    def _slow_broker(self, seconds: float, chosen: random.Random) -> None:
        broker = chosen.choice(self._brokers)
        _slow(partial(self._kafka.pause, broker), partial(self._kafka.resume, broker), seconds)
        self.counts["slow_brokers"] += 1

    @property
    def _blobs(self) -> Azurite:
        assert self._store is not None, "the checkpoints are in a folder"
        return self._store

    def _freeze_store(self, seconds: float, chosen: random.Random) -> None:
        self._blobs.pause()
        time.sleep(seconds)
        self._blobs.resume()
        self.counts["store_faults"] += 1

    def _stop_store(self, seconds: float, chosen: random.Random) -> None:
        # SIGTERM: Azurite that is killed forgets what it has not saved yet, which a storage account does not.
        self._blobs.close()
        time.sleep(seconds)
        self._blobs.restart()
        self.counts["store_faults"] += 1

    def _slow_store(self, seconds: float, chosen: random.Random) -> None:
        _slow(self._blobs.pause, self._blobs.resume, seconds)
        self.counts["store_faults"] += 1

    def _link(self, names: tuple[str, ...], seconds: float, chosen: random.Random) -> None:
        for name in names:
            self._hub.fault(name)
        time.sleep(seconds)
        self._hub.clear()
        self.counts["link_faults"] += 1

    def _swallow(self, seconds: float, chosen: random.Random) -> None:
        self._proxy.swallow()
        self.counts["link_faults"] += 1

    def _slow_network(self, seconds: float, chosen: random.Random) -> None:
        self._hub.fault("delay", round_trip_seconds=chosen.uniform(*_ROUND_TRIP_SECONDS))
        time.sleep(seconds)
        self._hub.clear()
        self.counts["link_faults"] += 1


def _slow(stop: Callable[[], None], go: Callable[[], None], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stop()
        time.sleep(_SLOW_STOPS)
        go()
        time.sleep(_SLOW_GOES)


def _signalled(pid: int, number: signal.Signals) -> bool:
    """Whether the process was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
