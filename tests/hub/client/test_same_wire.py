"""What the hub gets to see of our client is what it sees of the stock Python clients, field by field.

But for what means nothing: names and tags, which are random, and, with uamqp, that it tells the hub of answers on `$cbs`
which the hub has settled.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.eventhub import EventHubConsumerClient

from ingest.amqp.frames import Frame, FrameSplitter, decode_body
from ingest.amqp.message import Data, Message, Properties, decode_message
from ingest.amqp.performatives import Accepted, Attach, Close, Detach, Disposition, Flow, Transfer
from ingest.config import Config, Hub, Secret
from ingest.config.connection_strings import IotHubAddress
from ingest.emulator import Emulator
from ingest.emulator.amqp.connection import Connection
from ingest.hub import event_hubs
from ingest.hub.client.manners import commands, feedback
from ingest.hub.client.receiving import ReceivingLink
from ingest.hub.client.requests import MANAGEMENT, Node, read_hub, read_partition
from ingest.hub.client.sending import SendingLink
from ingest.sink.commands.command import Command, Origin
from ingest.sink.sending.sender import Sender
from ingest.timing import Deadline
from tests.hub.client.clients import HOST, PATIENCE, gathered, reader, service

IDLE_SECONDS = 60.0
_RANDOM = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_OF_NOW = re.compile(r"(?<=sig=)[^&]+|(?<=&se=)\d+|(?<='expiration': )\d+|(?<=delivery_tag=)b'[^']*'")

Wire = Callable[[], list[str]]


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as emulator:
        yield emulator


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """`wire()`: the frames of the newest connection, in words, up to the first detach or close."""
    received: dict[Connection, bytes] = defaultdict(bytes)
    take = Connection.data_received

    def data_received(self: Connection, data: bytes) -> None:
        received[self] += data
        take(self, data)

    monkeypatch.setattr(Connection, "data_received", data_received)
    return lambda: words(list(received.values())[-1])


def words(data: bytes) -> list[str]:
    found: list[str] = []
    for item in FrameSplitter(1 << 20).feed(data):
        shown: Any = item
        if isinstance(item, Frame) and item.body:
            performative, payload = decode_body(item.body)
            if isinstance(performative, Detach | Close):
                break
            shown = item.kind, item.channel, performative, decode_message(payload) if payload else None
        found.append(_OF_NOW.sub("<of now>", _RANDOM.sub("<random>", str(shown))))
    return found


def iot_hub(hub: Emulator) -> IotHubAddress:
    ends = hub.endpoints
    found = Hub(iot_hub_connection_string=Secret(ends.iot_hub_connection_string), ca_file=Path(ends.ca_file)).iot_hub
    assert found is not None
    return found


def stock_options(hub: Emulator) -> dict[str, Any]:
    """How azure-iot-hub makes its client, but for the port and the authority."""
    import uamqp
    from azure.core.credentials import AccessToken
    from azure.iot.hub.sastoken import SasToken

    address = iot_hub(hub)
    token = SasToken(address.host, address.key.reveal(), address.policy, 3_600)
    auth = uamqp.authentication.JWTTokenAuth(
        audience=f"https://{address.host}",
        uri=f"https://{address.host}",
        get_token=lambda: AccessToken(str(token), token.expiry_time),
        token_type=b"servicebus.windows.net:sastoken",
        port=address.port,
        verify=str(hub.endpoints.ca_file),
    )
    auth.update_token()
    return {"auth": auth, "keep_alive_interval": 0, "idle_timeout": round(IDLE_SECONDS * 1000)}


@pytest.mark.parametrize("partition", [None, "0"])
def test_tokens_and_questions(hub: Emulator, wire: Wire, partition: str | None) -> None:
    stock = EventHubConsumerClient.from_connection_string(hub.endpoints.event_hub_connection_string, "$Default")
    with stock:
        if partition is None:
            stock.get_eventhub_properties()
        else:
            stock.get_partition_properties(partition)
    hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    wanted = wire()
    host = hub.endpoints.amqp.rpartition("/")[2]
    client, token = reader(hub, f"sb://{host}/{hub.hub.name}", host=host.partition(":")[0])
    name = hub.hub.name
    question = read_hub(name, token) if partition is None else read_partition(name, partition, token)
    Node(client, MANAGEMENT).answer(question, Deadline(PATIENCE))
    client.close()
    hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    assert wire() == wanted
    assert len([frame for frame in wanted if Attach.__name__ in frame]) == 4
    assert len([frame for frame in wanted if Transfer.__name__ in frame]) == 2
    config = Config(hub=Hub(event_hub_connection_string=Secret(hub.endpoints.event_hub_connection_string)))
    if partition is None:
        event_hubs.describe(config)
    else:
        event_hubs.standing(config, partition)
    hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    assert wire() == wanted


def without_acknowledged_token(frames: list[str]) -> list[str]:
    at = next(place for place, frame in enumerate(frames) if Disposition.__name__ in frame)
    return frames[:at] + frames[at + 1 :]


def without_announcement(frames: list[str]) -> list[str]:
    """uamqp announces itself on a new link only if the hub's credit comes behind the answer to its attach, not with it."""
    return [frame for frame in frames if "Flow" not in frame or "link_credit=10000" not in frame]


@pytest.mark.uamqp
def test_commands(hub: Emulator, wire: Wire) -> None:
    import uamqp

    address = f"amqps://{iot_hub(hub).host}/messages/devicebound"
    stock: Any = uamqp.SendClient(address, **stock_options(hub))
    to, deadline, done = "/devices/d/messages/devicebound", Deadline(PATIENCE), list[object]()
    stock.open()
    while not stock.client_ready():
        assert not deadline.expired
    for _ in range(2):
        properties = uamqp.message.MessageProperties(message_id="m", to=to)
        message = uamqp.Message(b"on", properties=properties, application_properties={"iothub-ack": "full"})
        message.on_send_complete = lambda *answer: done.append(answer)
        stock.queue_message(message)
    while len(done) < 2:
        assert not deadline.expired
        stock.do_work()
    stock.close()
    hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    wanted = without_announcement(without_acknowledged_token(wire()))

    host = iot_hub(hub).host
    client = service(hub, idle_seconds=IDLE_SECONDS, host=host)
    link = SendingLink(client, commands(host, client.container_id))
    client.until(lambda: link.room > 0, Deadline(PATIENCE), "granted credit")
    ours = Message(
        properties=Properties(message_id="m", to=to),
        application_properties={"iothub-ack": "full"},
        body=Data((b"on",)),
    )
    for _ in range(2):
        link.send([ours.encode()])
    client.until(lambda: len(link.answers()) == 2 or not link.unanswered, Deadline(PATIENCE), "answered")
    client.close()
    hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    assert without_announcement(wire()) == wanted
    assert len([frame for frame in wanted if "devicebound" in frame]) == 3

    sender = Sender(iot_hub(hub), Path(hub.endpoints.ca_file), transport="fast", idle_seconds=IDLE_SECONDS)
    sender.start()
    for _ in range(2):
        while not sender.ready:
            assert not deadline.expired
            sender.poll(1.0)
        sender.send(Command("d", b"on", "m", None, None, "full", None, {}, Origin("iotout", 0, 0)))
    while sender.in_flight:
        assert not deadline.expired
        sender.poll(1.0)
    sender.close()
    hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    assert without_announcement(wire()) == wanted


@pytest.mark.uamqp
def test_feedback(hub: Emulator, wire: Wire) -> None:
    def report() -> None:
        client = service(hub)
        link = SendingLink(client, commands(HOST, client.container_id))
        client.until(lambda: link.room > 0, Deadline(PATIENCE), "granted credit")
        properties = Properties(message_id="m", to="/devices/d/messages/devicebound")
        link.send([Message(properties=properties, application_properties={"iothub-ack": "full"}).encode()])
        client.until(lambda: not link.unanswered, Deadline(PATIENCE), "answered")
        client.close()
        hub.c2d.flush_feedback()
        hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)

    import uamqp

    hub.c2d.auto_complete()
    report()
    address = f"amqps://{iot_hub(hub).host}/messages/serviceBound/feedback"
    stock: Any = uamqp.ReceiveClient(address, auto_complete=False, prefetch=16, **stock_options(hub))
    deadline = Deadline(PATIENCE)
    stock.open()
    while not stock.client_ready():
        assert not deadline.expired
    messages: list[Any] = []
    while not messages:
        assert not deadline.expired
        messages = stock.receive_message_batch(16, timeout=20)
    messages[0].accept()
    stock.do_work()
    stock.close()
    hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    wanted = without_acknowledged_token(wire())

    report()
    host = iot_hub(hub).host
    client = service(hub, idle_seconds=IDLE_SECONDS, host=host)
    link = ReceivingLink(client, feedback(host, client.container_id), credit=16)
    found = gathered(client, link.messages, 1)
    assert link.settle(found[0].number, Accepted())
    client.close()
    hub.wait_for(lambda stats: stats.connections == 0, PATIENCE)
    ours = wire()
    assert ours == wanted
    assert any(Disposition.__name__ in frame and Accepted.__name__ in frame for frame in wanted)
    assert any(Flow.__name__ in frame and "link_credit=16" in frame for frame in wanted)
