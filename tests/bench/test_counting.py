"""Requests are counted as they were sent, however a network cuts them."""

import struct
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from bench.counting import HttpRequests, KafkaRequests, Requests

CUTS = st.lists(st.integers(1, 40))
BODIES = st.binary(max_size=30)


def counted(requests: Requests, sent: bytes, cuts: list[int]) -> list[str]:
    found: list[str] = []
    for length in cuts:
        found += requests.take(sent[:length])
        sent = sent[length:]
    return [*found, *requests.take(sent)]


def check(make: Callable[[], Requests], sent: list[tuple[str, bytes]], cuts: list[int]) -> None:
    names = [name for name, _ in sent]
    assert counted(make(), b"".join(data for _, data in sent), cuts) == names


@given(st.lists(st.tuples(st.sampled_from([(0, "Produce"), (12, "Heartbeat"), (999, "API 999")]), BODIES)), CUTS)
def test_kafka(asked: list[tuple[tuple[int, str], bytes]], cuts: list[int]) -> None:
    sent = []
    for (number, name), body in asked:
        frame = struct.pack(">hhih6s", number, 3, 7, 6, b"edge/1") + body
        sent.append((f"edge/1: {name}", struct.pack(">i", len(frame)) + frame))
    check(KafkaRequests, sent, cuts)


def test_kafka_without_a_client_id() -> None:
    frame = struct.pack(">hhih", 18, 3, 7, -1)
    assert counted(KafkaRequests(), struct.pack(">i", len(frame)) + frame, []) == [": ApiVersions"]


@given(st.lists(st.tuples(st.sampled_from(["GET", "PUT"]), BODIES)), CUTS)
def test_http(asked: list[tuple[str, bytes]], cuts: list[int]) -> None:
    sent = [
        (method, f"{method} /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        for method, body in asked
    ]
    check(HttpRequests, sent, cuts)
