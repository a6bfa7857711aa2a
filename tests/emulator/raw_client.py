"""A blocking AMQP client that shows every frame as it is on the wire. For tests and benchmarks."""

import socket
import time
import uuid
from collections import deque
from types import TracebackType
from typing import Any, Self, TypeVar

from ingest.amqp.composites import Composite
from ingest.amqp.frames import (
    AMQP_HEADER,
    SASL_FRAME,
    SASL_HEADER,
    Frame,
    FrameSplitter,
    ProtocolHeader,
    decode_body,
    encode_frame,
)
from ingest.amqp.message import Message, Properties, Value, decode_message
from ingest.amqp.performatives import (
    RECEIVER,
    SENDER,
    Attach,
    Begin,
    Flow,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Source,
    Target,
    Transfer,
)
from ingest.amqp.types import Described, Symbol
from ingest.emulator.amqp.sas import sign
from ingest.emulator.keys import POLICY

SELECTOR = "apache.org:selector-filter:string"
_P = TypeVar("_P", bound=Composite)


class RawClient:
    """One connection with one session on channel 0. Every wait ends within `seconds` with TimeoutError."""

    def __init__(self, address: str, *, seconds: float = 10.0) -> None:
        """`address`: `amqp://host:port`."""
        host, _, port = address.rpartition("/")[2].rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=seconds)
        self.window = 65_536
        self._channel = 0
        self.transfers = 0
        """Transfer frames received so far."""
        self._seconds = seconds
        self._splitter = FrameSplitter(1 << 20)
        self._items: deque[ProtocolHeader | Frame] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, performative: Composite, payload: bytes = b"", *, kind: int = 0) -> None:
        self.socket.sendall(encode_frame(0, performative, payload, kind=kind))

    def next_item(self) -> ProtocolHeader | Frame:
        """Raises EOFError when the server hangs up."""
        deadline = time.monotonic() + self._seconds
        while not self._items:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError("The server has hung up.")
            self._items.extend(self._splitter.feed(data))
        return self._items.popleft()

    def rest_until_hung_up(self) -> list[ProtocolHeader | Frame]:
        """Everything that comes before the server closes or resets the connection."""
        found = []
        try:
            while True:
                found.append(self.next_item())
        except (EOFError, ConnectionResetError):
            return found

    def receive(self, kind: type[_P]) -> _P:
        """The next performative of this kind; others are dropped."""
        return self.receive_with_payload(kind)[0]

    def receive_with_payload(self, kind: type[_P]) -> tuple[_P, bytes]:
        while True:
            performative, payload = self.receive_any()
            if isinstance(performative, kind):
                return performative, payload

    def receive_any(self) -> tuple[Composite, bytes]:
        """The next performative, whatever it is."""
        while True:
            item = self.next_item()
            if isinstance(item, Frame) and item.body:
                performative, payload = decode_body(item.body)
                self.transfers += isinstance(performative, Transfer)
                return performative, payload

    def open(
        self, *, max_frame_size: int = 65_536, idle_time_out: int | None = None, plain: tuple[str, str] | None = None
    ) -> Open:
        """SASL, open and begin. Returns the server's open. `plain`: user and password."""
        self.socket.sendall(SASL_HEADER)
        self.receive(SaslMechanisms)
        init = SaslInit(mechanism="ANONYMOUS")
        if plain is not None:
            init = SaslInit(mechanism="PLAIN", initial_response="\0".join(("", *plain)).encode())
        self.send(init, kind=SASL_FRAME)
        assert self.receive(SaslOutcome).code == 0
        self.socket.sendall(AMQP_HEADER)
        self.send(Open(container_id="raw", max_frame_size=max_frame_size, idle_time_out=idle_time_out))
        self.send(Begin(next_outgoing_id=0, incoming_window=self.window, outgoing_window=65_536))
        answer = self.receive(Open)
        self.receive(Begin)
        return answer

    def put_token(self, audience: str, token: str) -> tuple[int, str]:
        """Status code and description. Uses handles 100 and 101."""
        cbs = Source(address="$cbs"), Target(address="$cbs")
        name = uuid.uuid4().hex
        self.send(Attach(name=f"r{name}", handle=100, role=RECEIVER, source=cbs[0], target=cbs[1]))
        self.send(
            Attach(name=f"s{name}", handle=101, role=SENDER, source=cbs[0], target=cbs[1], initial_delivery_count=0)
        )
        self.flow(100, 10)
        self.receive(Flow)
        request = Message(
            properties=Properties(message_id=uuid.uuid4()),
            application_properties={
                "operation": "put-token",
                "type": "servicebus.windows.net:sastoken",
                "name": audience,
            },
            body=Value(token),
        )
        self.send(Transfer(handle=101, delivery_id=0, delivery_tag=b"0"), request.encode())
        transfer, payload = self.receive_with_payload(Transfer)
        assert transfer.handle == 100
        answer = decode_message(payload)
        assert request.properties is not None
        assert answer.properties is not None
        assert answer.properties.correlation_id == request.properties.message_id
        properties = answer.application_properties or {}
        return properties["status-code"], properties["status-description"]

    def authorize(self, key: str, hub: str, *, expiry: int | None = None) -> None:
        audience = f"sb://anywhere/{hub}"
        token = sign(audience, key.encode(), int(time.time()) + 3600 if expiry is None else expiry, POLICY)
        assert self.put_token(audience, token)[0] == 202

    def attach_receiver(self, hub: str, partition: str = "0", **arguments: Any) -> None:
        self.attach_address(f"amqps://anywhere/{hub}/ConsumerGroups/$Default/Partitions/{partition}", **arguments)

    def attach_address(
        self,
        address: str,
        *,
        selector: str | None = "amqp.annotation.x-opt-offset > '-1'",
        handle: int = 0,
        properties: dict[Any, Any] | None = None,
        **fields: Any,
    ) -> None:
        filters = {Symbol(SELECTOR): Described(Symbol(SELECTOR), selector)} if selector is not None else None
        self.send(
            Attach(
                name=uuid.uuid4().hex,
                handle=handle,
                role=RECEIVER,
                source=Source(address=address, filter=filters),
                target=Target(address="here"),
                properties=properties,
                **fields,
            )
        )

    def all_transfers(self) -> int:
        """How many transfers come before the answer to a begin: the server has nothing more that it may send."""
        self._channel += 1
        self.socket.sendall(
            encode_frame(self._channel, Begin(next_outgoing_id=0, incoming_window=1, outgoing_window=1))
        )
        before = self.transfers
        self.receive(Begin)
        return self.transfers - before

    def flow(self, handle: int | None, credit: int | None, **fields: Any) -> None:
        self.send(
            Flow(
                next_incoming_id=fields.pop("next_incoming_id", 1 + self.transfers),
                incoming_window=self.window,
                next_outgoing_id=0,
                outgoing_window=65_536,
                handle=handle,
                delivery_count=fields.pop("delivery_count", 0 if handle is not None else None),
                link_credit=credit,
                **fields,
            )
        )

    def receive_attach(self) -> Attach:
        """The answer to the last attach; a refusal is followed by a detach."""
        while True:
            attach = self.receive(Attach)
            if attach.handle < 100:
                return attach

    def count_transfers(self, count: int) -> int:
        """Read until `count` frames with a body have come, not looking into them. Returns the bytes of all frames."""
        pending = sum(isinstance(item, Frame) and bool(item.body) for item in self._items)
        self._items.clear()
        rest, total = b"", 0
        while pending < count:
            data = rest + self.socket.recv(1 << 20)
            if data == rest:
                raise EOFError("The server has hung up.")
            pos, end = 0, len(data)
            while pos + 4 <= end:
                size = int.from_bytes(data[pos : pos + 4], "big")
                if pos + size > end:
                    break
                pending += 1
                pos += size
            rest = data[pos:]
            total += pos
        return total
