"""One device at the MQTT listener: what it may do, what it gets, and when it is disconnected.

Source: "Communicate with an IoT hub using the MQTT protocol", Microsoft Learn: QoS 0 and 1, one connection per device,
PUBACK completes a command; a violation has no answer in MQTT 3.1.1 but the end of the connection.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from ingest.emulator.amqp.sas import BadToken
from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.c2d.lock_queue import LockLost
from ingest.emulator.c2d.message import Delivery
from ingest.emulator.device_registry import Devices, UnknownDevice
from ingest.emulator.devices.https import Publish as PublishEvent
from ingest.emulator.devices.twins import Answer, Twins
from ingest.emulator.mqtt.packets import (
    MOST_TEXT_BYTES,
    REFUSED_FILTER,
    Connect,
    ConnectCode,
    Disconnect,
    MqttError,
    Packet,
    PacketSplitter,
    PingReq,
    PubAck,
    Publish,
    Subscribe,
    UnknownLevel,
    Unsubscribe,
    connack,
    pingresp,
    suback,
    unsuback,
)
from ingest.emulator.mqtt.topics import (
    HIGHEST_QOS,
    NotTelemetry,
    Telemetry,
    command_topic,
    commands_filter,
    is_harmless,
    is_method_answer,
    matches,
    telemetry,
)
from ingest.hub.limits import EVENT_BYTES
from ingest.timing import Clock

MOST_UNACKNOWLEDGED: Final = 50
"""Commands on their way to one device: as many as its queue holds."""
CONNECT_SECONDS: Final = 10.0
"""How long a client may take for its CONNECT."""
_LARGEST_PACKET = EVENT_BYTES + 2 + MOST_TEXT_BYTES + 2
_LAST_PACKET_ID = 0xFFFF

_log = logging.getLogger(__name__)


@dataclass
class Session:
    """What of a client with clean_session 0 outlives its connection (MQTT 3.1.1 part 3.1.2.4)."""

    granted: dict[str, int] = field(default_factory=dict)
    """Topic filter → QoS."""
    packet_ids: dict[int, int] = field(default_factory=dict)
    """Sequence number of a command that was sent and not acknowledged → its packet identifier, for good."""
    last_packet_id: int = 0

    def packet_id(self, sequence_number: int) -> tuple[int, bool]:
        """The identifier for a command, and whether it was sent under it before (part 4.4)."""
        known = self.packet_ids.get(sequence_number)
        if known is not None:
            return known, True
        taken = set(self.packet_ids.values())
        while True:
            self.last_packet_id = self.last_packet_id % _LAST_PACKET_ID + 1
            if self.last_packet_id not in taken:
                self.packet_ids[sequence_number] = self.last_packet_id
                return self.last_packet_id, False


class _Violation(Exception):
    """The client did what ends its connection. `str()` says what."""


class MqttOwner(Protocol):
    """The listener, as a connection sees it."""

    devices: Devices
    publish: PublishEvent
    commands: C2dHub
    twins: Twins
    clock: Clock
    """Seconds since 1970, for tokens."""
    monotonic: Clock

    def joined(self, connection: "MqttConnection") -> None: ...

    def let_in(self, connection: "MqttConnection", device_id: str, *, clean: bool) -> tuple[Session, bool]:
        """The device's session, and whether it is an old one. Another connection of the device is ended."""
        ...

    def left(self, connection: "MqttConnection") -> None:
        """The transport is gone."""
        ...


class MqttConnection(asyncio.Protocol):
    """Bytes in, bytes out. Lives in the loop's thread."""

    def __init__(self, owner: MqttOwner) -> None:
        self.device_id: str | None = None
        """None until the client is let in."""
        self._owner = owner
        self._splitter = PacketSplitter(_LARGEST_PACKET)
        self._transport: asyncio.Transport | None = None
        self._ended = False
        self._paused = False
        self._session = Session()
        self._unacknowledged: dict[int, Delivery] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._will: Telemetry | None = None
        self._silence_seconds = CONNECT_SECONDS
        self._last_received = owner.monotonic()
        self._token_expiry: int | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._owner.joined(self)

    def data_received(self, data: bytes) -> None:
        if self.device_id is not None:
            self._last_received = self._owner.monotonic()
        packets = self._splitter.feed(data)
        try:
            # Once the connection has ended, what else the client sends is nobody's.
            while not self._ended and (packet := next(packets, None)) is not None:
                self._take(packet)
        except UnknownLevel as error:
            self._refuse(ConnectCode.UNACCEPTABLE_LEVEL, str(error))
        except (MqttError, NotTelemetry, _Violation) as error:
            self._expel(str(error))

    def pause_writing(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if self._transport is not None and not self._ended:
            self._transport.resume_reading()
        self.pump()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.end("The connection was lost.")
        self._owner.left(self)

    # What the server calls.

    def tick(self) -> None:
        """End the connection when the client was silent for too long, or its token has expired."""
        silent = self._owner.monotonic() - self._last_received
        if self._silence_seconds and silent > self._silence_seconds:
            self.end(f"Nothing was heard for {silent:.1f} s.")
        elif self._token_expiry is not None and self._token_expiry <= self._owner.clock():
            self.end("Its token has expired.")

    def pump(self) -> None:
        """Send the commands that wait, as far as the client wants them now."""
        device_id, commands = self.device_id, self._owner.commands
        qos = None if device_id is None else self._session.granted.get(commands_filter(device_id))
        while (
            device_id is not None
            and qos is not None
            and not self._ended
            and not self._paused
            and len(self._unacknowledged) < MOST_UNACKNOWLEDGED
            and (delivery := commands.take(device_id)) is not None
        ):
            self._deliver(delivery, qos)

    def end(self, why: str | None) -> None:
        """Close the connection; `why` is None when the client asked for it. Harmless when repeated.

        Commands that were not acknowledged go back into the queue. Unless the client took leave, its will is published.
        """
        if self._ended:
            return
        self._ended = True
        if self._unsubscribe is not None:
            self._unsubscribe()
        for delivery in self._unacknowledged.values():
            _settle(self._owner.commands.release, delivery)
        self._session.packet_ids = {
            delivery.sequence_number: packet_id for packet_id, delivery in self._unacknowledged.items()
        }
        if why is not None:
            _log.info("MQTT client %r is disconnected. %s", self.device_id or "that was not let in", why)
            if self._will is not None:
                self._publish(self._will)
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Reset the TCP connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def forget_will(self) -> None:
        """For the end of the hub itself: nobody would read it."""
        self._will = None

    # What the client asks.

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, Connect):
            if self.device_id is not None:
                raise _Violation("It sent a second CONNECT.")
            self._connect(packet)
            return
        if self.device_id is None:
            raise _Violation(f"Its first packet was a {type(packet).__name__}, not a CONNECT.")
        match packet:
            case Publish():
                answer = self._published(self.device_id, packet)
                if packet.packet_id is not None:
                    self._write(PubAck(packet.packet_id).encode())
                if answer is not None and any(matches(each, answer.topic) for each in self._session.granted):
                    self._write(Publish(answer.topic, answer.body).encode())
            case PubAck(packet_id):
                self._acknowledged(packet_id)
            case Subscribe(packet_id, filters):
                codes = [self._grant(topic_filter, qos) for topic_filter, qos in filters]
                self._write(suback(packet_id, codes))
                self.pump()
            case Unsubscribe(packet_id, filters):
                for topic_filter in filters:
                    self._session.granted.pop(topic_filter, None)
                self._write(unsuback(packet_id))
            case PingReq():
                self._write(pingresp())
            case Disconnect():
                self.end(None)

    def _connect(self, connect: Connect) -> None:
        device_id = connect.client_id
        if not device_id:
            self._refuse(ConnectCode.IDENTIFIER_REJECTED, "The client id is empty; it has to be the device id.")
            return
        named = (connect.username or "").split("/")[1:2]
        if named != [device_id]:
            self._refuse(
                ConnectCode.NOT_AUTHORISED,
                f"The user name has to be HUB/{device_id}/?api-version=2021-04-12 for the client id {device_id!r}.",
            )
            return
        try:
            claims = self._owner.devices.authenticate(device_id, connect.password or "")
            will = None if connect.will is None else telemetry(device_id, connect.will)
        except (BadToken, UnknownDevice, NotTelemetry) as error:
            self._refuse(ConnectCode.NOT_AUTHORISED, str(error))
            return
        if will is not None:
            will.properties["iothub-MessageType"] = "Will"
        self._token_expiry = claims.expiry
        self._silence_seconds = 1.5 * connect.keep_alive_seconds
        self._will = will
        self._session, present = self._owner.let_in(self, device_id, clean=connect.clean_session)
        self.device_id = device_id
        self._write(connack(ConnectCode.ACCEPTED, session_present=present))
        self._unsubscribe = self._owner.commands.subscribe(device_id, self.pump)
        self.pump()

    def _refuse(self, code: ConnectCode, why: str) -> None:
        self._write(connack(code))
        self._expel(why)

    def _expel(self, why: str) -> None:
        # The client is not told why: MQTT 3.1.1 has no words for it.
        _log.warning("MQTT client %r is not served. %s", self.device_id or "that was not let in", why)
        self.end("It was not served.")

    def _grant(self, topic_filter: str, qos: int) -> int:
        if topic_filter == commands_filter(cast("str", self.device_id)) or is_harmless(topic_filter):
            self._session.granted[topic_filter] = min(qos, HIGHEST_QOS)
            return self._session.granted[topic_filter]
        return REFUSED_FILTER

    def _published(self, device_id: str, packet: Publish) -> Answer | None:
        """Take over what the device published; there is an answer to a request for its twin."""
        if packet.qos <= HIGHEST_QOS:
            answer = self._owner.twins.answer(device_id, packet.topic, packet.payload)
            if answer is not None or is_method_answer(packet.topic):
                return answer
        self._publish(telemetry(device_id, packet))
        return None

    def _publish(self, message: Telemetry) -> None:
        device_id = cast("str", self.device_id)
        self._owner.publish(device_id, message.body, properties=message.properties, **message.system)

    def _deliver(self, delivery: Delivery, qos: int) -> None:
        topic = command_topic(delivery.command)
        if len(topic) > MOST_TEXT_BYTES:
            _log.warning(
                "A command for %r is rejected: its properties do not fit into an MQTT topic.", delivery.device_id
            )
            _settle(self._owner.commands.reject, delivery)
        elif not qos:
            self._write(Publish(topic, delivery.body).encode())
            _settle(self._owner.commands.complete, delivery)
        else:
            packet_id, again = self._session.packet_id(delivery.sequence_number)
            self._unacknowledged[packet_id] = delivery
            self._write(Publish(topic, delivery.body, qos, packet_id, duplicate=again).encode())

    def _acknowledged(self, packet_id: int) -> None:
        delivery = self._unacknowledged.pop(packet_id, None)
        if delivery is not None:
            del self._session.packet_ids[delivery.sequence_number]
            _settle(self._owner.commands.complete, delivery)
            self.pump()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _settle(how: Callable[[str, str], None], delivery: Delivery) -> None:
    # A lock that ran out has put the command back into the queue already; it is delivered again.
    with contextlib.suppress(LockLost):
        how(delivery.device_id, delivery.lock_token)
