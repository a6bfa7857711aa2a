"""A receiver of one partition: the link that delivers events. The hot path of the emulator."""

import asyncio
import re
from typing import Protocol

from ingest.amqp.encoding import encode
from ingest.amqp.message import DELIVERY_ANNOTATIONS, section
from ingest.amqp.performatives import Attach, Source
from ingest.amqp.types import Symbol, Timestamp
from ingest.emulator import conditions
from ingest.emulator.amqp.authorization import address_path
from ingest.emulator.amqp.ports import LinkOwner, Peer
from ingest.emulator.amqp.sending_link import SendingLink
from ingest.emulator.conditions import LinkRefused
from ingest.emulator.stats import ReceiverStats
from ingest.emulator.telemetry.hub import Hub
from ingest.emulator.telemetry.start_position import first_sequence, start_position

ADDRESS = re.compile(r"(?P<hub>[^/]+)/consumergroups/(?P<group>[^/]+)/partitions/(?P<partition>[^/]+)")

_EPOCH = "com.microsoft:epoch"
_RUNTIME_METRIC = "com.microsoft:enable-receiver-runtime-metric"
_CHUNK = 256
"""Deliveries in one write, before other receivers get theirs."""


class ReceiverFaults(Protocol):
    """The faults that affect receivers."""

    def starves_new(self, partition: str) -> bool: ...

    def starves(self, partition: str) -> bool: ...

    def allowance(self, partition: str) -> int | None:
        """Returns how many events can go out before the next fault; None: any number."""
        ...

    def delivered(self, receiver: "EventReceiver", count: int) -> bool:
        """Whether these `count` events cause a fault of the receiver."""
        ...


class ReceiverOwner(Protocol):
    """The server, as a receiver sees it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    def receiver_joined(self, receiver: "EventReceiver") -> None: ...

    def receiver_left(self, receiver: "EventReceiver") -> None: ...

    def delivered(self, partition: str, count: int) -> None: ...

    def now_ms(self) -> int:
        """Returns milliseconds since 1970 by the emulator's clock."""
        ...


class EventReceiver(SendingLink):
    """Source `…/<hub>/ConsumerGroups/<group>/Partitions/<id>`, with a selector filter, with or without an epoch."""

    def __init__(
        self, session: LinkOwner, attach: Attach, hub: Hub, faults: ReceiverFaults, owner: ReceiverOwner
    ) -> None:
        """Raises LinkRefused if the hub lacks the partition or consumer group, or the position is invalid."""
        super().__init__(session, attach)
        source = attach.source
        if not isinstance(source, Source):
            raise LinkRefused(conditions.not_found("a source that is no terminus"))
        self._hub = hub
        self._faults = faults
        self._owner = owner
        self.auth_path = address_path(str(source.address))
        match = ADDRESS.fullmatch(self.auth_path)
        if match is None or match["hub"] != self._hub.name.lower() or match["group"] not in self._hub.consumer_groups:
            raise LinkRefused(conditions.not_found(str(source.address)))
        self.partition, self.group = match["partition"], match["group"]
        if self.partition not in self._hub.partitions:
            raise LinkRefused(conditions.not_found(str(source.address)))
        epoch = (attach.properties or {}).get(_EPOCH)
        self.epoch: int | None = epoch if isinstance(epoch, int) else None
        self.delivered = 0
        start = start_position(source)
        self.next = self._hub.query(self.partition, lambda log: first_sequence(log, start))
        self._starved = False
        self._metrics = _RUNTIME_METRIC in (attach.desired_capabilities or ())
        self._scheduled = False

    @property
    def peer(self) -> Peer:
        return self.session.peer

    def accept(self) -> None:
        self._starved = self._faults.starves_new(self.partition)
        super().accept()
        self._owner.receiver_joined(self)

    def on_closed(self) -> None:
        self._owner.receiver_left(self)

    def stats(self) -> ReceiverStats:
        return ReceiverStats(self.group, self.epoch, self.credit, self.next, self.delivered)

    def on_window(self) -> None:
        self.pump()

    def pump(self) -> None:
        """Send what credit, window and transport allow, in chunks, so that other receivers can send between them."""
        if self._send_chunk() and not self._scheduled:
            self._scheduled = True
            self._owner.loop.call_soon(self._pump_again)

    def _pump_again(self) -> None:
        self._scheduled = False
        self.pump()

    def _send_chunk(self) -> bool:
        """Returns whether more can be sent at once."""
        sender = self.sender
        if not self.can_write():
            return False
        if self.credit <= 0 or self._starved or self._faults.starves(self.partition):
            sender.end_drain()
            return False
        most = min(_CHUNK, sender.room)
        allowance = self._faults.allowance(self.partition)
        if allowance is not None:
            most = min(most, allowance)
        if most <= 0:
            return False
        first, payloads = self._hub.read(self.partition, self.next, most)
        if not payloads:
            sender.end_drain()
            return False
        if self._metrics:
            annotations = self._runtime_metrics()
            payloads = [annotations + payload for payload in payloads]
        done = sender.send_all(payloads)
        self.delivered += done
        self.next = first + done
        self._owner.delivered(self.partition, done)
        return not self._faults.delivered(self, done)

    def _runtime_metrics(self) -> bytes:
        _, last = self._hub.bounds(self.partition)
        annotations = {
            Symbol("last_enqueued_sequence_number"): last.sequence_number,
            Symbol("last_enqueued_offset"): str(last.offset),
            Symbol("last_enqueued_time_utc"): Timestamp(last.time_ms),
            Symbol("runtime_info_retrieval_time_utc"): Timestamp(self._owner.now_ms()),
        }
        return section(DELIVERY_ANNOTATIONS, encode(annotations))
