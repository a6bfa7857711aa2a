"""The hub of the source's benchmarks: its log is full before the clock starts, and is shown when the clock does."""

import contextlib
from types import TracebackType
from typing import Self

from bench.console import Stage
from bench.hub import HubProcess
from bench.traffic import Profile
from tests.emulator.raw_client import RawClient
from tests.faults.waiting import wait_until

HUB = "iothub-ehub-emulator"
DEVICES = 100
SAMPLED_FRAMES = 1_000


class Feed(HubProcess):
    """`events` events in `partitions` partitions, from `devices` devices for each, their transfer frames about
    `frame_bytes` long."""

    def __init__(
        self,
        events: int,
        partitions: int = 1,
        frame_bytes: int = 600,
        devices: int = DEVICES,
        profile: Profile | None = None,
    ) -> None:
        """`profile` says what the events are, in place of `frame_bytes` and `devices`."""
        what = (frame_bytes, devices * partitions) if profile is None else (profile.name,)
        super().__init__(*map(str, (partitions, events, *what)), module="bench.full_hub")
        self.log = (events, partitions, frame_bytes, devices, profile)
        self._what = f"of {frame_bytes} bytes" if profile is None else f"of profile {profile.name}"
        self._expected_bytes = frame_bytes if profile is None else profile.frame_bytes
        self.events = events
        self.partitions = partitions
        self.frame_bytes = frame_bytes
        self.measured_frame_bytes = 0
        """Mean size of the transfer frames of partition 0, as a stranger's client gets them."""

    def start(self) -> None:
        """Returns when the log is full."""
        with Stage(f"the hub takes {self.events:,} events {self._what} into {self.partitions} partitions"):
            super().start()
        self.measured_frame_bytes = self._sample_frames()
        if self._expected_bytes is not None:
            assert abs(self.measured_frame_bytes / self._expected_bytes - 1) < 0.03, self.measured_frame_bytes

    def hide(self) -> None:
        """Clients can attach, and are sent nothing until `show`. Returns when none is attached."""
        self.starve()
        wait_until(lambda: self.attached() == 0, "a client is still attached")

    def starve(self) -> None:
        """Whoever is attached is sent nothing until `show`."""
        self.order("faults/starve")

    def show(self) -> None:
        self.control("DELETE", "/faults")

    def attached(self) -> int:
        """Partitions that have a receiver."""
        return sum(bool(one["receivers"]) for one in self.stats()["partitions"].values())

    def sent(self) -> int:
        """Events that the receivers of now have been sent, when they read from the first one on."""
        partitions = self.stats()["partitions"].values()
        return sum(receiver["next_sequence_number"] for one in partitions for receiver in one["receivers"])

    def wait_attached(self, partitions: int) -> None:
        wait_until(lambda: self.attached() == partitions, lambda: f"{self.attached()} partitions have a receiver")

    def _sample_frames(self) -> int:
        frames = min(SAMPLED_FRAMES, self.events // self.partitions // 2)
        with RawClient(self.endpoints["amqp"]) as client:
            client.open()
            client.authorize(self.key, HUB)
            client.attach_receiver(HUB)
            client.receive_attach()
            client.flow(0, frames)
            return round(client.count_transfers(frames) / frames)


class Feeds:
    """Keeps the hub of the benchmark before: filling a log takes longer than reading it."""

    def __init__(self) -> None:
        self._feed: Feed | None = None
        self._open = contextlib.ExitStack()

    def get(
        self,
        events: int,
        partitions: int = 1,
        frame_bytes: int = 600,
        devices: int = DEVICES,
        profile: Profile | None = None,
    ) -> Feed:
        """A hub with this log, started; valid until the next `get`."""
        feed = self._feed
        if feed is None or feed.log != (events, partitions, frame_bytes, devices, profile):
            self._feed = None
            self._open.close()
            self._feed = feed = self._open.enter_context(Feed(events, partitions, frame_bytes, devices, profile))
        return feed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
