"""Everything that talks to a hub, over each way to it: telemetry, questions, commands, feedback, checkpoints, the doctor."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import create_connection, create_server, socket
from typing import Final

import pytest

from ingest.config import Checkpoints, Config, Hub, Proxy, Secret, Source
from ingest.config.proxies import ProxyAddress
from ingest.doctor import clock, endpoint
from ingest.doctor.check import Check, ok
from ingest.doctor.checkpoints import checkpoint_checks
from ingest.doctor.event_hub import EventHubChecks
from ingest.doctor.iot_hub import iot_hub_checks
from ingest.doctor.runner import run_checks
from ingest.emulator import Emulator
from ingest.emulator.certificate import make_certificate
from ingest.errors import IngestError, Refused, Unreachable
from ingest.hub import event_hubs
from ingest.hub.network import dialing
from ingest.hub.network.route import iot_hub_route
from ingest.hub.partition_look import try_to_read
from ingest.sink.commands.command import Command
from ingest.sink.feedback.link import FeedbackLink
from ingest.sink.sending.results import SENT, Outcome
from ingest.sink.sending.sender import Sender
from ingest.source.checkpoints import open_store
from ingest.source.checkpoints.scope import scope
from ingest.timing import Backoff, Deadline
from tests.hub.network.proxy import Proxy as SmallProxy
from tests.hub.network.proxy import answers, proxy
from tests.services.azurite import Azurite
from tests.services.tinyproxy import Tinyproxy
from tests.sink.hub import command
from tests.sink.transports import BOTH, HERE
from tests.source.checkpoints.contract import position
from tests.source.readers import Reader, fill

PATIENCE: Final = 60.0
USER: Final = "plant"
PASSWORD: Final = "hunter22"
KINDS: Final[tuple[type[Sender] | type[FeedbackLink], ...]] = (Sender, FeedbackLink)
"""Links to the service side of the hub."""
WAYS: Final = ("TLS", "WebSocket", "AMQP through a proxy", "proxy", "proxy with password")


@dataclass(frozen=True)
class Way:
    config: Config
    targets: Callable[[], Sequence[str]]
    """What the proxy was asked for; always empty without one."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may be busy, and a proxy with it."""
    monkeypatch.setattr(endpoint, "_WAY_SECONDS", PATIENCE)
    monkeypatch.setattr(endpoint, "_CONNECT_SECONDS", PATIENCE)
    monkeypatch.setattr(clock, "_ASK_SECONDS", PATIENCE)
    monkeypatch.setattr(dialing, "CONNECT_SECONDS", PATIENCE)
    monkeypatch.setattr(event_hubs, "ANSWER_SECONDS", PATIENCE)


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as emulator:
        emulator.c2d.auto_complete()
        yield emulator


def port_of(hub: Emulator) -> int:
    """Of the listener with TLS, which serves all."""
    return int(hub.endpoints.amqps.rpartition(":")[2])


def configured(hub: Emulator, url: str = "", password: str = "", network: str | None = None) -> Config:
    ends = hub.endpoints
    return Config(
        hub=Hub(
            event_hub_connection_string=Secret(ends.event_hub_connection_string_tls),
            iot_hub_connection_string=Secret(
                f"HostName=localhost:{port_of(hub)};{ends.iot_hub_connection_string.partition(';')[2]}"
            ),
            ca_file=Path(ends.ca_file),
            network=network,  # type: ignore[arg-type]
        ),
        proxy=Proxy(url=url, password=Secret(password)),
        checkpoints=Checkpoints(store="file"),
    )


def way_of(name: str, hub: Emulator, stack: ExitStack, *, real: bool, ports: Sequence[int] = ()) -> Way:
    """`real`: the proxy is tinyproxy, which lets through to the hub's port and to `ports`."""
    if "proxy" not in name:
        return Way(configured(hub, network="websocket" if name == "WebSocket" else None), lambda: [])
    user, password = (USER, PASSWORD) if "password" in name else ("", "")
    between: Tinyproxy | SmallProxy
    if real:
        between = stack.enter_context(Tinyproxy(connect_ports=[port_of(hub), *ports], user=user, password=password))
    else:
        between = stack.enter_context(proxy(user, password))
    url = f"http://{user}{'@' if user else ''}127.0.0.1:{between.port}"
    made = configured(hub, url, password, "amqp" if name.startswith("AMQP") else None)
    return Way(made, lambda: between.targets)


@pytest.fixture(
    params=[
        *(pytest.param((name, False), id=name) for name in ("TLS", "WebSocket", "proxy with password")),
        *(
            pytest.param((name, True), id=f"{name}, tinyproxy", marks=pytest.mark.services)
            for name in WAYS
            if "proxy" in name
        ),
    ]
)
def way(request: pytest.FixtureRequest, hub: Emulator) -> Iterator[Way]:
    name, real = request.param
    with ExitStack() as stack:
        made = way_of(name, hub, stack, real=real)
        yield made
        if "proxy" in name:
            assert set(made.targets()) == {f"localhost:{port_of(hub)}"}


@pytest.mark.parametrize("transport", ["fast", "sdk"])
def test_telemetry(hub: Emulator, way: Way, transport: str) -> None:
    fill(hub, 300)
    held = event_hubs.standing(way.config, "0")
    config = Config(hub=way.config.hub, proxy=way.config.proxy, source=Source(transport=transport))
    reader = Reader(config)
    try:
        reader.until_events(held.newest + 1)
    finally:
        reader.receiver.close()
    assert reader.numbers == list(range(held.newest + 1))
    assert reader.receiver.attaches == 1


def test_questions(way: Way) -> None:
    assert event_hubs.partition_ids(way.config) == ["0"]
    [attempt] = try_to_read(way.config, ["0"])
    assert attempt.reason == ""


@pytest.mark.parametrize("transport", BOTH)
def test_commands_and_feedback(hub: Emulator, way: Way, transport: str) -> None:
    address = way.config.hub.iot_hub
    assert address is not None
    route = iot_hub_route(way.config, address)
    arguments = {"transport": transport, "route": route, "backoff": Backoff(0.01, 0.05)}
    sender = Sender(address, way.config.hub.ca_file, **arguments)  # type: ignore[arg-type]
    feedback = FeedbackLink(address, way.config.hub.ca_file, **arguments)  # type: ignore[arg-type]
    sender.start()
    feedback.start()
    try:
        deadline = Deadline(PATIENCE)
        while not (sender.ready and feedback.ready):
            assert not deadline.expired, (sender.trouble, feedback.trouble)
            sender.poll(0.01)
            feedback.poll()
        device = f"device-{uuid.uuid4().hex}"
        sender.send(command(device))
        found: list[tuple[Command, Outcome]] = []
        while not found:
            assert not deadline.expired, sender.trouble
            found = sender.poll(0.05)
        assert [outcome for _, outcome in found] == [SENT]
        assert sender.links == feedback.links == 1
    finally:
        sender.close()
        feedback.close()


def findings_of(config: Config) -> dict[str, tuple[str, str, str]]:
    """What the doctor finds on the way to both hubs: result, what it saw, what mends it."""
    address = config.hub.iot_hub
    assert address is not None
    running = Check("metrics port", lambda: ok("nobody runs here"))
    checks = [running, *EventHubChecks(config, running.name).checks(), *iot_hub_checks(config, address)]
    return {each.check: (each.result, each.seen, each.fix) for each in run_checks(checks, seconds=PATIENCE)}


def test_the_doctor(way: Way) -> None:
    found = findings_of(way.config)
    assert {name: each for name, each in found.items() if each[0] != "ok"} == {}
    for name in ("event hub", "IoT hub"):
        hops = {check.removeprefix(f"{name} ") for check in found if check.startswith(name)}
        first = {"DNS", "port"} if not way.config.proxy.url else {"proxy", "through proxy"}
        websocket = "websocket" in (way.config.hub.network or ("websocket" if way.config.proxy.url else ""))
        assert hops == {*first, "TLS", "key", *(("WebSocket",) if websocket else ())}


def test_the_clock_is_asked_through_the_proxy(hub: Emulator) -> None:
    port = int(hub.endpoints.https.rpartition(":")[2])
    with proxy(USER, PASSWORD) as between:
        through = ProxyAddress("127.0.0.1", between.port, USER, Secret(PASSWORD))
        ahead = clock._seconds_ahead(clock.Service("localhost", port, True, through), time.time)
        assert ahead is not None
        assert abs(ahead) < PATIENCE
        assert between.targets == [f"localhost:{port}"]
    everything = configured(hub, "http://127.0.0.1:1")
    assert {service.proxy is not None for service in clock.services(everything)} == {True}


@pytest.fixture
def front(blob: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The connection string of the blob store behind TLS, as Azure's is; its authority is known to the environment."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.ca_file))
    context = certificate.server_context()

    def pump(source: socket, target: socket) -> None:
        with suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(1)

    def one(client: socket) -> None:
        with suppress(OSError), context.wrap_socket(client, server_side=True) as secure:
            host, _, port = blob.address.partition(":")
            with create_connection((host, int(port))) as store:
                threading.Thread(target=pump, args=(store, secure), daemon=True).start()
                pump(secure, store)

    def serve(listener: socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    with create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        address = f"localhost:{listener.getsockname()[1]}"
        yield (
            blob.connection_string_through(address)
            .replace("http:", "https:")
            .replace("Protocol=http", "Protocol=https")
        )
        listener.shutdown(2)


@pytest.mark.services
@pytest.mark.parametrize("name", [name for name in WAYS if "WebSocket" not in name])
def test_checkpoints(hub: Emulator, front: str, name: str) -> None:
    address = front.partition("https://")[2].partition("/")[0]
    with ExitStack() as stack:
        way = way_of(name, hub, stack, real=True, ports=[int(address.rpartition(":")[2])])
        settings = Checkpoints(blob_connection_string=Secret(front), container=f"ways-{uuid.uuid4().hex}")
        store = open_store(settings, scope(way.config), way.config.proxy)
        stack.callback(store.close)
        store.check()
        store.save(position("0", 7))
        [found] = store.load_all()
        assert found.sequence_number == 7
        config = Config(hub=way.config.hub, proxy=way.config.proxy, checkpoints=settings)
        for finding in run_checks(checkpoint_checks(config), seconds=PATIENCE):
            assert finding.result == "ok", finding
        assert set(way.targets()) == ({address} if "proxy" in name else set())


@pytest.mark.services
def test_a_proxy_refuses_checkpoints_in_its_own_words(hub: Emulator, front: str) -> None:
    with ExitStack() as stack:
        between = stack.enter_context(proxy(USER, PASSWORD))
        settings = Checkpoints(blob_connection_string=Secret(front), container="ways")
        for url, password, words in (
            (f"http://127.0.0.1:{between.port}", "", "wants a user and a password"),
            (f"http://{USER}@127.0.0.1:{between.port}", "another", "refuses user plant with this password"),
        ):
            config = configured(hub, url, password)
            store = open_store(settings, scope(config), config.proxy)
            stack.callback(store.close)
            with pytest.raises(Refused, match=words) as refused:
                store.check()
            assert '("407 Proxy Authentication Required")' in str(refused.value)
            assert "another" not in str(refused.value)
        config = configured(hub, f"http://127.0.0.1:{stack.enter_context(proxy(script=answers(403, 'No'))).port}")
        store = open_store(settings, scope(config), config.proxy)
        stack.callback(store.close)
        with pytest.raises(Refused, match=r'does not let us through to localhost:\d+ \("403 No"\)'):
            store.check()


@pytest.mark.services
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("refused", r"the proxy 127\.0\.0\.1:\d+ cannot be used \(.*refused.*\): see whether proxy\.url is right"),
        ("wrong CA", r"the certificate of localhost:\d+ is not trusted \(.+\): set REQUESTS_CA_BUNDLE"),
    ],
)
def test_the_hop_that_fails_is_named_for_checkpoints(
    hub: Emulator, front: str, broken: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Checkpoints(blob_connection_string=Secret(front), container="ways")
    with proxy() as between:
        config = configured(hub, f"http://127.0.0.1:{between.port}")
        if broken == "refused":
            between.close()
        else:
            (tmp_path / "other").mkdir()
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificate(tmp_path / "other").ca_file))
        store = open_store(settings, scope(config), config.proxy)
        try:
            with pytest.raises(Unreachable, match=words):
                store.check()
        finally:
            store.close()
        config = replace(config, checkpoints=settings)
        said = [each for each in run_checks(checkpoint_checks(config), seconds=PATIENCE) if each.result == "fail"]
        assert any(re.search(words, f"{each.seen}: {each.fix}") for each in said), said


def until_in_trouble(link: Sender | FeedbackLink, words: str, *, refused: bool = False) -> None:
    """`refused`: until that is raised, which can be a look later."""
    deadline = Deadline(PATIENCE)
    while refused or words not in (link.trouble or "") or link.links < 3:
        assert not deadline.expired, link.trouble
        if isinstance(link, Sender):
            link.poll(0.05)
        else:
            link.poll()


@pytest.mark.parametrize(
    ("broken", "failed", "words"),
    [
        ("password", "through proxy", "refuses user plant with this password"),
        ("403", "through proxy", '("403 Filtered")'),
        ("refused", "proxy", "cannot be reached (connection refused)"),
        ("wrong CA", "TLS", "the certificate of localhost is not trusted"),
        ("404", "WebSocket", '("404 Not Found")'),
    ],
)
def test_the_hop_that_fails_is_named_everywhere(
    hub: Emulator, broken: str, failed: str, words: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        script = answers(403, "Filtered") if broken == "403" else None
        between = stack.enter_context(proxy(USER, PASSWORD, script))
        config = configured(
            hub, f"http://{USER}@127.0.0.1:{between.port}", "wrong" if broken == "password" else PASSWORD
        )
        if broken == "refused":
            between.close()
        if broken == "wrong CA":
            config = replace(config, hub=replace(config.hub, ca_file=make_certificate(tmp_path).ca_file))
        if broken == "404":
            stack.enter_context(pytest.MonkeyPatch.context()).setattr("ingest.hub.network.websocket.PATH", "/nowhere")
        found = findings_of(config)
        for name in ("event hub", "IoT hub"):
            assert [check for check in found if check.startswith(name) and found[check][0] == "fail"] == [
                f"{name} {failed}"
            ]
            assert words in found[f"{name} {failed}"][1]
        with pytest.raises(IngestError) as raised:
            event_hubs.partition_ids(config)
        assert words in str(raised.value)
        refuses = pytest.raises(Refused, match=re.escape(words)) if failed == "through proxy" else nullcontext()
        reader = Reader(config)
        address = config.hub.iot_hub
        assert address is not None
        said: list[str | None] = []
        try:
            with refuses:
                reader.until(lambda: words in (reader.receiver.trouble or ""))
            for kind in KINDS:
                for transport in HERE if broken != "404" else HERE[:1]:  # uamqp asks for a path of its own
                    link = kind(
                        address,
                        config.hub.ca_file,
                        transport=transport,
                        route=iot_hub_route(config, address),
                        backoff=Backoff(0.01, 0.05),
                    )
                    stack.callback(link.close)
                    link.start()
                    with refuses:
                        until_in_trouble(link, words, refused=failed == "through proxy")
                    said.append(link.trouble)
        finally:
            reader.receiver.close()
        assert PASSWORD not in f"{found} {raised.value} {said} {config!r}"
