import base64
import hashlib
import http.client
import json
import re
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from ingest.errors import ConfigError, Unreachable
from ingest.metrics import catalogue as m
from ingest.metrics.http import Exposition
from ingest.metrics.http_port import Asked
from ingest.metrics.registry import Registry
from tests.metrics.status.loaded_node import sample
from tests.process.scarce import no_more_descriptors_than


class Service:
    def __init__(self) -> None:
        self.healthy = True
        self.reasons: list[str] = []
        self.registry = Registry()
        self.exposition = Exposition(
            self.registry,
            healthy=lambda: self.healthy,
            unready=lambda: self.reasons,
            host="127.0.0.1",
            port=0,
        )

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.exposition.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    made.exposition.start()
    yield made
    made.exposition.close()


def test_metrics_are_in_prometheus_text(service: Service) -> None:
    service.registry.add(m.SOURCE_EVENTS, 3, "0")
    service.registry.add(m.SOURCE_EVENTS, 4, "0")
    service.registry.set(m.SOURCE_LAG_EVENTS, 9, "0")
    status, text = service.get("/metrics")
    assert status == 200
    assert 'ingest_source_events_total{partition="0"} 7.0' in text
    assert 'ingest_source_lag_events{partition="0"} 9.0' in text
    assert "# TYPE ingest_source_events_total counter" in text
    assert "_created" not in text


def test_quantiles_are_a_summary(service: Service) -> None:
    service.registry.set(m.KAFKA_REQUEST_SECONDS, 0.25, "source", "0", "0.99")
    text = service.get("/metrics")[1]
    assert "# TYPE ingest_kafka_request_seconds summary" in text
    assert 'ingest_kafka_request_seconds{quantile="0.99",role="source",slot="0"} 0.25' in text


def test_a_partition_has_one_transport_at_a_time(service: Service) -> None:
    for transport in ("fast", "sdk", "fast"):
        service.registry.set(m.SOURCE_TRANSPORT, 1, "0", transport)
        service.registry.set(m.SOURCE_TRANSPORT, 1, "1", "sdk")
    lines = [
        line for line in service.get("/metrics")[1].splitlines() if line.startswith("ingest_source_transport_info")
    ]
    assert lines == [
        'ingest_source_transport_info{partition="0",transport="fast"} 1.0',
        'ingest_source_transport_info{partition="1",transport="sdk"} 1.0',
    ]


def test_readiness_gives_its_reasons(service: Service) -> None:
    assert service.get("/readyz") == (200, "ok\n")
    service.reasons = ["source 1: Kafka is away", "source 2: hub: server-busy"]
    assert service.get("/readyz") == (503, "source 1: Kafka is away\nsource 2: hub: server-busy\n")


def test_health_is_the_loop_s(service: Service) -> None:
    assert service.get("/healthz")[0] == 200
    service.healthy = False
    assert service.get("/healthz")[0] == 503


def test_another_path_names_the_right_ones(service: Service) -> None:
    status, text = service.get("/page")
    assert status == 404
    assert "/metrics" in text


def ask(service: Service, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", service.exposition.port, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply, body


def test_the_page_may_do_nothing_but_show_itself(service: Service) -> None:
    reply, body = ask(service, "/")
    assert (reply.status, reply.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(" ", 1) for part in (reply.getheader("Content-Security-Policy") or "").split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)
    for kind in ("style", "script"):
        [inside] = re.findall(f"<{kind}>(.*?)</{kind}>".encode(), body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside).digest()).decode()
        assert policy[f"{kind}-src"] == f"'sha256-{digest}'"
    assert reply.getheader("X-Content-Type-Options") == "nosniff"
    assert reply.getheader("Referrer-Policy") == "no-referrer"


def test_the_page_is_one_light_file(service: Service) -> None:
    _, body = ask(service, "/")
    assert len(body) <= 60_000
    text = body.decode()
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) == ["http://www.w3.org"], "the namespace of SVG"
    assert re.findall(r"\s(?:src|on\w+|style)=", text) == []


def test_the_status_is_sent_once_for_each_sample(service: Service) -> None:
    reply, body = ask(service, "/status.json")
    assert reply.getheader("Content-Type") == "application/json"
    assert json.loads(body)["version"] == 1
    tag = reply.getheader("ETag") or ""
    again, nothing = ask(service, "/status.json", If_None_Match=f'W/"x", {tag}')
    assert (again.status, nothing, again.getheader("ETag")) == (304, b"", tag)
    sample(service.exposition)
    assert ask(service, "/status.json", If_None_Match=tag)[0].status == 200


@pytest.mark.parametrize("path", ["/", "/status.json"])
def test_nothing_can_be_done_through_it(service: Service, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        reply, _ = ask(service, path, method)
        assert (reply.status, reply.getheader("Allow")) == (405, "GET, HEAD"), method
    reply, body = ask(service, path, "HEAD")
    assert (reply.status, body) == (200, b"")
    assert int(reply.getheader("Content-Length") or 0) > 100


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9464", 200),
        ("[::1]:9464", 200),
        ("192.0.2.7", 200),
        ("localhost:1", 200),
        ("LOCALHOST.", 200),
        ("ingest.localhost", 200),
        (socket.gethostname(), 200),
        ("attacker.example", 403),
        ("localhost.attacker.example:9464", 403),
        ("127.0.0.1.attacker.example", 403),
        ("[", 403),
    ],
)
def test_on_loopback_a_name_of_others_is_refused(service: Service, host: str, status: int) -> None:
    for path in ("/", "/status.json", "/metrics"):
        reply, body = ask(service, path, Host=host)
        assert reply.status == status, path
    assert status == 200 or b"metrics.host" in body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("ingest.example.com", 200),
        ("Ingest.Example.COM.:443", 200),
        ("a.ingest.example.com", 403),
        ("ingest.example.com.attacker.example", 403),
        ("plant.example", 200),
        ("edge1.plant.example", 200),
        ("otherplant.example", 403),
        ("127.0.0.1", 200),
    ],
)
def test_a_reverse_proxy_may_pass_on_the_names_that_are_allowed(host: str, status: int) -> None:
    allowed: list[str] = []
    exposition = Exposition(
        Registry(), healthy=lambda: True, unready=list, host="127.0.0.1", port=0, allowed=lambda: allowed
    )
    allowed += ["ingest.example.com", ".Plant.example"]  # as a reload does
    reply = exposition.reply(Asked("/healthz", host))
    assert reply.status == status
    assert status == 200 or b"metrics.allowed_hosts" in reply.body


def test_where_the_port_is_open_to_others_it_has_any_name() -> None:
    exposition = Exposition(Registry(), healthy=lambda: True, unready=list, host="0.0.0.0", port=0)
    assert exposition.reply(Asked("/status.json", "edge1.example:9464")).status == 200


def test_a_taken_port_is_a_configuration_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        exposition = Exposition(Registry(), healthy=lambda: True, unready=list, host="127.0.0.1", port=port)
        with pytest.raises(ConfigError, match=f"metrics.port = 127.0.0.1:{port}: cannot listen there"):
            exposition.start()


def test_a_port_for_which_there_is_no_descriptor_is_no_fault_of_the_configuration() -> None:
    exposition = Exposition(Registry(), healthy=lambda: True, unready=list, host="127.0.0.1", port=0)
    with (
        no_more_descriptors_than(0),
        pytest.raises(Unreachable, match=r"cannot be served on .*no file descriptor is left"),
    ):
        exposition.start()


def test_a_reason_is_one_line_whatever_is_in_it(service: Service) -> None:
    service.reasons = ["source 0: hub: gone\nsource 1: fine\x1b[2J", "sink 0: starting"]
    assert service.get("/readyz") == (503, "source 0: hub: gone\\nsource 1: fine\\x1b[2J\nsink 0: starting\n")


def test_a_client_that_goes_away_in_the_middle_leaves_no_traceback(
    service: Service, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for partition in range(20_000):
        service.registry.add(m.SOURCE_EVENTS, 1, str(partition))
    for sent in (b"", b"GET /met", b"GET /metrics HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", service.exposition.port)) as client:
            # Closing resets the connection: what is read or written then fails.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(sent)
            if sent.endswith(b"\r\n\r\n"):
                assert client.recv(1)
    assert service.get("/healthz")[0] == 200
    err = capfd.readouterr().err
    # A client of Kafka that an earlier test has left behind may still speak.
    assert [line for line in err.splitlines() if "|rdkafka#" not in line] == []
    assert caplog.text == ""


def test_a_fault_of_ours_is_in_the_log(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bool:
        raise RuntimeError("boom")

    service.exposition._healthy = broken
    with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
        service.get("/healthz")
    assert "boom" in caplog.text


def test_a_shared_series_goes_with_the_last_of_its_owners() -> None:
    registry = Registry()
    for owner in (("sink", "0"), ("feedback", "0")):
        registry.add(m.SINK_DEAD_LETTERS, 1, "0", "too_large", owner=owner)
    registry.keep_only("feedback", [])
    assert registry.value(m.SINK_DEAD_LETTERS, "0", "too_large") == 2
    registry.keep_only("sink", ["1"])
    assert registry.value(m.SINK_DEAD_LETTERS, "0", "too_large") == 0


def test_what_nobody_owns_stays() -> None:
    registry = Registry()
    registry.set(m.BUILD_INFO, 1, "1", "3")
    registry.lapse(("source", "0"))
    registry.keep_only("source", [])
    assert registry.value(m.BUILD_INFO, "1", "3") == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "2001:db8::1"])
def test_an_address_of_another_machine_is_an_error_of_the_host(host: str) -> None:
    exposition = Exposition(Registry(), healthy=lambda: True, unready=list, host=host, port=0)
    with pytest.raises(ConfigError) as raised:
        exposition.start()
    [problem] = raised.value.problems
    assert (problem.key, problem.value) == ("metrics.host", f'"{host}"')
