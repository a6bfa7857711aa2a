"""Whatever came before, the fast decoder gives what the plain one gives."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Message, Properties, Value, section
from ingest.amqp.types import Symbol
from ingest.source.events import layout, template_decoder
from ingest.source.events.decoder import event_of
from ingest.source.events.event import DATA, Event
from ingest.source.events.template_decoder import TemplateDecoder
from ingest.source.formats import FORMATS
from tests.source import messages
from tests.source.messages import odd, runtime_metrics, usual

METRICS = len(runtime_metrics(9))

BARE = usual(newest=None)
IN_FRONT_OF_BODY = BARE[: BARE.index(b"\x00\x53\x75")]

VARIED = {
    "usual": usual(),
    "a text as value": IN_FRONT_OF_BODY + Message(body=Value("text é")).encode(),
    "a long text as value": IN_FRONT_OF_BODY + Message(body=Value("x" * 300)).encode(),
    "a binary as value": IN_FRONT_OF_BODY + Message(body=Value(b"\xff")).encode(),
    "a symbol as value": IN_FRONT_OF_BODY + Message(body=Value(Symbol("x"))).encode(),
    "a number as value": IN_FRONT_OF_BODY + Message(body=Value(5)).encode(),
    "without metrics": usual(newest=None),
    "module": usual(module="mod"),
    "properties": usual(properties={"level": "high", "n": 5, "x": None}),
    "system properties": usual(system=Properties(content_type="application/json", content_encoding="utf-8")),
    "both": usual(system=Properties(content_type="text/plain"), properties={"level": "low"}),
    "message id": usual(system=Properties(message_id="m-1")),
    "correlation id": usual(system=Properties(correlation_id=5), properties={"a": "b"}),
    "correlation id that is text": usual(system=Properties(correlation_id="c-1", content_type="text/plain")),
    "correlation id at the end": usual(system=Properties(message_id="m-1", correlation_id="c-1")),
    "creation time": usual(system=Properties(content_type="text/plain", creation_time=messages.NOW_MS)),
    "nothing but a creation time": usual(system=Properties(creation_time=messages.NOW_MS), properties={"a": "b"}),
    "all that changes": usual(
        system=Properties(
            message_id="m-1", correlation_id="c-1", content_type="text/plain", creation_time=messages.NOW_MS
        ),
        properties={"n": "5", "level": "high"},
    ),
    "all system properties": runtime_metrics(9) + odd("all system properties"),
    "every field before the creation time": usual(
        system=Properties(
            message_id="m",
            user_id=b"u",
            to="to",
            subject="s",
            reply_to="r",
            correlation_id="c",
            content_type="text/plain",
            content_encoding="utf-8",
            absolute_expiry_time=messages.NOW_MS,
            creation_time=messages.NOW_MS,
        )
    ),
    "large body": usual(body=b"x" * 300),
    "empty body": usual(body=b""),
    "no hub's time": runtime_metrics(9) + odd("no properties"),
    "a descriptor of eight bytes": b"\x00\x80" + (0x72).to_bytes(8, "big") + odd("nothing at all")[3:],
}


def fields(event: Event) -> tuple[object, ...]:
    """Everything in it, by value and in its order."""
    origin, labels = event.origin, event.labels
    told = (origin.device_id, origin.module_id, labels.correlation_id)
    described = (labels.content_type, labels.content_encoding, repr(labels.system), repr(labels.properties))
    return *event[:6], *told, labels.body_kind, *described, repr(origin.before), repr(origin.after)


def outcome(decode: Any, *arguments: object) -> object:
    try:
        return fields(decode(*arguments))
    except AmqpError as error:
        return str(error)


def decoded(decoder: TemplateDecoder, payload: bytes, before: bytes = b"", behind: bytes = b"") -> object:
    return outcome(decoder.decode, before + payload + behind, len(before), len(before) + len(payload))


telemetry = st.builds(
    usual,
    st.integers(0, 1 << 40),
    device=st.sampled_from(["dev-1", "dev-2", "d" * 128]),
    module=st.sampled_from([None, "mod"]),
    body=st.binary(max_size=300),
    properties=st.sampled_from([{}, {"level": "high"}, {"level": "low"}, {"n": 5, "x": None}]),
    system=st.sampled_from(
        [
            None,
            Properties(content_type="application/json"),
            Properties(message_id="m-1"),
            Properties(message_id="m-2"),
            Properties(correlation_id=5),
            Properties(correlation_id="c-1", content_type="application/json"),
            Properties(message_id="m-1", correlation_id="c-2", creation_time=messages.NOW_MS),
            Properties(creation_time=messages.NOW_MS + 1, content_type="application/json"),
            Properties(to="/devices/a", creation_time=messages.NOW_MS, group_id="g"),
        ]
    ),
    newest=st.none() | st.integers(0, 1 << 40),
)
anything = st.one_of(
    telemetry,
    messages.any_message().map(lambda sent: sent.encoded),
    st.sampled_from(sorted(messages.ODD)).map(odd),
    st.sampled_from(sorted(VARIED)).map(VARIED.__getitem__),
    st.binary(max_size=100),
)


@given(sequence=st.lists(st.one_of(telemetry, anything), min_size=1, max_size=12))
def test_any_sequence_of_messages_in_one_buffer(sequence: list[bytes]) -> None:
    decoder = TemplateDecoder()
    buf = b"".join(sequence)
    for _ in range(4):  # until all are remembered that can be
        at = 0
        for payload in sequence:
            end = at + len(payload)
            assert outcome(decoder.decode, buf, at, end) == outcome(event_of, payload)
            at = end


@pytest.mark.parametrize("name", VARIED)
def test_positions_in_a_larger_buffer(name: str) -> None:
    payload = VARIED[name]
    decoder = TemplateDecoder()
    for _ in range(2):
        for before in (b"", b"\x00", payload, usual(1)):
            for behind in (b"", b"\x00", payload, usual(1)):
                assert decoded(decoder, payload, before, behind) == fields(event_of(payload))


@pytest.mark.parametrize("name", VARIED)
def test_a_message_that_is_cut_short(name: str) -> None:
    payload = VARIED[name]
    decoder = TemplateDecoder()
    for _ in range(4):
        decoder.decode(payload, 0, len(payload))
    for length in range(len(payload)):
        # What is missing stands behind it in the buffer, as the bytes of another message would.
        assert decoded(decoder, payload[:length], behind=payload[length:] + payload) == outcome(
            event_of, payload[:length]
        ), length


@pytest.mark.parametrize("name", VARIED)
def test_a_learned_message_that_differs_in_one_byte(name: str) -> None:
    payload = VARIED[name]
    known = fields(event_of(payload))
    skipped = METRICS if payload.startswith(runtime_metrics(9)) else 0
    decoder = TemplateDecoder()
    for _ in range(4):
        decoder.decode(payload, 0, len(payload))
    for index in range(len(payload)):
        for other in (payload[index] ^ 1, payload[index] ^ 0x80, 0x00, 0x75, 0xC1):
            changed = payload[:index] + bytes((other,)) + payload[index + 1 :]
            wanted = outcome(event_of, changed)
            # Twice, as the changed message may be learned.
            for found in (decoded(decoder, changed), decoded(decoder, changed)):
                # Nobody reads what is in the delivery annotations, so that they need not be without fault.
                assert found == wanted or (index < skipped and found == known), (index, other)
            assert decoded(decoder, payload) == known


def test_objects_are_shared_between_messages_of_a_device() -> None:
    decoder = TemplateDecoder()
    system = Properties(content_type="application/json")
    events = [
        decoder.decode(payload, 0, len(payload))
        for payload in (usual(n, system=system, properties={"a": "b"}) for n in range(11, 20))
    ]
    assert len({id(event.origin) for event in events[3:]}) == 1
    assert len({id(event.labels) for event in events[3:]}) == 1


def test_texts_of_jms_clients_come_the_hot_way(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = TemplateDecoder()
    learned: list[bytes] = []

    def learn(payload: bytes) -> Event:
        learned.append(payload)
        return event_of(payload)

    monkeypatch.setattr(template_decoder, "event_of", learn)
    for n in range(10, 99):
        body = Message(body=Value("x" * n * 7)).encode()
        payload = usual(n, newest=None)
        event = decoder.decode(whole := payload[: payload.index(b"\x00\x53\x75")] + body, 0, len(whole))
        assert (event.body, event.body_kind, event.sequence_number) == (b"x" * n * 7, DATA, n)
    assert len(learned) == 2


def test_message_ids_do_not_fill_the_memory() -> None:
    decoder = TemplateDecoder()
    events: list[Event] = []
    for n in range(100, 200):
        payload = usual(n, system=Properties(message_id=f"m-{n}", content_type="application/json"))
        events.append(decoder.decode(payload, 0, len(payload)))
    assert [event.message_id for event in events] == [f"m-{n}" for n in range(100, 200)]
    assert len({id(event.labels) for event in events[3:]}) == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BUDGET": 40_000, "BUDGET_OF_SENDERS": 30_000, "MISSES": 100}.items():
        monkeypatch.setattr(template_decoder, name, value)
    decoder = TemplateDecoder()
    for n in range(500):
        for _ in range(3):
            device, level = f"{'d' * (n % 90)}-{n}", "x" * (n % 300)
            payload = usual(n, device=device, properties={"level": level})
            event = decoder.decode(payload, 0, len(payload))
            assert (event.device_id, event.labels.properties) == (device, {"level": level})
        assert 0 <= decoder._bytes <= 40_000
        assert decoder._bytes >= sum(shape.cost for shape in decoder._shapes.values())
        senders = [sender for shape in decoder._shapes.values() for sender in shape.senders.values()]
        assert all(len(sender.labels) <= template_decoder.LABELS_OF_A_SENDER for sender in senders)
    decoder = TemplateDecoder()
    for long in ({"properties": {"level": "x" * 5_000}}, {"module": "m" * 5_000}, {}):
        for _ in range(4):
            payload = usual(1, **long)
            decoder.decode(payload, 0, len(payload))
    assert max(sum(map(len, key)) for key in decoder._known) <= template_decoder.LONGEST_LABELS
    assert max(shape.size for shape in decoder._shapes.values()) <= layout.LONGEST


TRAFFIC: dict[str, Callable[[int], bytes]] = {
    "3.5 kB of properties": lambda n: usual(
        device=f"device-{n:05}", properties={f"p{i}": f"{n}-{i}-{'v' * 60}" for i in range(50)}
    ),
    "small": lambda n: usual(device=f"device-{n:05}", properties={"level": "high"}),
    "long modules": lambda n: usual(device=f"device-{n:05}", module="m" * 3_000),
    "modules of control characters": lambda n: usual(device=f"device-{n:05}", module="\x01" * 400),
    "one wide character in each": lambda n: usual(
        device=f"{n:05}{'d' * 110}\N{GRINNING FACE}", properties={"p": f"{n}{'v' * 900}\N{GRINNING FACE}"}
    ),
    "properties of every type": lambda n: usual(
        device=f"device-{n % 150:05}", properties={f"p{i}": (n, b"b", None, 1.5, True)[i % 5] for i in range(50)}
    ),
    "a layout of its own": lambda n: usual(device="d" * (n % 100 + 1), module="m" * (n // 100)),
}


@pytest.mark.parametrize("record_format", ["json", "raw", "connect-json"])
@pytest.mark.parametrize("kind", TRAFFIC)
def test_memory_is_bounded_in_bytes(kind: str, record_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of all that is remembered, with what the record format keeps beside it, whatever is sent."""
    monkeypatch.setattr(template_decoder, "BUDGET", budget := 1 << 18)
    monkeypatch.setattr(template_decoder, "BUDGET_OF_SENDERS", 7 << 15)
    payloads = [TRAFFIC[kind](n) for n in range(180)]
    decoder, encode = TemplateDecoder(), FORMATS[record_format]("0").encode
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for payload in payloads:
            for _ in range(2):
                encode(decoder.decode(payload, 0, len(payload)))
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken <= 1.3 * budget
    assert decoder._bytes <= budget < 20 * decoder._bytes


def test_two_sets_of_annotations_are_not_mixed_up() -> None:
    first, second = usual(11, device="dev-1", newest=None), usual(12, device="dev-2", newest=None)
    both = first[: first.index(b"\x00\x53\x75")] + second
    decoder = TemplateDecoder()
    for payload in (both, first, both, second, first):
        assert decoded(decoder, payload) == fields(event_of(payload))


def test_the_message_id_of_two_sets_of_properties_is_the_last() -> None:
    bare = usual(newest=None)
    body_at = bare.index(b"\x00\x53\x75")
    decoder = TemplateDecoder()
    for ids in (("m-1", "m-2"), ("m-1", "m-2"), ("m-3", "m-2"), ("m-1", "m-4")):
        both = b"".join(Properties(message_id=message_id).encode() for message_id in ids)
        payload = bare[:body_at] + both + bare[body_at:]
        assert decoded(decoder, payload) == fields(event_of(payload))
        assert event_of(payload).message_id == ids[1]


def test_new_devices_take_the_place_of_others_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_decoder, "BUDGET_OF_SENDERS", 15_000)
    monkeypatch.setattr(template_decoder, "MISSES", 10)
    decoder = TemplateDecoder()
    for n in range(100, 120):
        payload = usual(n, device=f"old-{n % 10}")
        decoder.decode(payload, 0, len(payload))
    for n in range(200, 220):
        payload = usual(n, device="new-1")
        event = decoder.decode(payload, 0, len(payload))
        assert event.device_id == "new-1"
    assert [list(shape.senders) for shape in decoder._shapes.values()] == [[shape_texts(payload, decoder)]]
    again = decoder.decode(payload, 0, len(payload))
    assert again.origin is event.origin


def test_a_fleet_larger_than_what_is_remembered_is_decoded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without learning a layout again for each of its messages, and without reading again what all devices say."""
    monkeypatch.setattr(template_decoder, "BUDGET_OF_SENDERS", 15_000)
    decoder = TemplateDecoder()
    learned: list[bytes] = []
    labels: set[int] = set()

    def learn(payload: bytes) -> None:
        learned.append(payload)
        TemplateDecoder._learn(decoder, payload)

    monkeypatch.setattr(decoder, "_learn", learn)
    for n in range(1_000, 3_000):
        payload = usual(n, device=f"device-{n % 100:03}", properties={"level": "high"})
        event = decoder.decode(payload, 0, len(payload))
        assert event.device_id == f"device-{n % 100:03}"
        labels.add(id(event.labels))
    assert len(learned) == 2
    assert len(labels) < 10
    assert 0 < sum(len(shape.senders) for shape in decoder._shapes.values()) < 10


def test_what_is_unusual_behind_the_annotations_does_not_forget_senders() -> None:
    decoder = TemplateDecoder()
    plain = usual(11)
    several = plain + section(0x75, b"\xa0\x01x")
    for payload in (plain, plain, plain):
        first = decoder.decode(payload, 0, len(payload))
    for _ in range(3):
        assert decoder.decode(several, 0, len(several)).body == first.body + b"x"
    assert decoder.decode(plain, 0, len(plain)).origin is first.origin


def test_two_layouts_that_look_alike_do_not_replace_each_other_with_every_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = TemplateDecoder()
    learned: list[bytes] = []

    def learn(payload: bytes, at: int) -> object:
        learned.append(payload)
        return layout.learn(payload, at)

    monkeypatch.setattr(template_decoder, "learn", learn)
    for n in range(640):
        payload = usual(n).replace(b"auth-method", b"auth-methoe" if n % 2 else b"auth-method")
        assert decoder.decode(payload, 0, len(payload)).sequence_number == n
    assert 1 < len(learned) < 20


def test_labels_that_change_with_every_event_are_not_remembered() -> None:
    decoder = TemplateDecoder()
    for n in range(1_000):
        payload = usual(n, properties={"sequence": str(n)})
        assert decoder.decode(payload, 0, len(payload)).labels.properties == {"sequence": str(n)}
    assert not decoder._known


def shape_texts(payload: bytes, decoder: TemplateDecoder) -> object:
    """By what the sender of this message is remembered."""
    (shape,) = decoder._shapes.values()
    at = payload.index(b"\x00\x53\x72")
    return shape.texts(shape.unpack(payload, at))


@pytest.mark.parametrize(
    "extra",
    [
        section(0x72, b"\xc1\x01\x00"),
        b"\x00\x80" + (0x72).to_bytes(8, "big") + b"\xc1\x01\x00",
        b"\x00\xa3\x01x\x40",
        section(0x74, b"\x45"),
        section(0x73, b"\xc1\x01\x00"),
        b"\xa1\x01\x73",
        b"\x73\x73\x73",
    ],
    ids=lambda extra: extra.hex(),
)
@pytest.mark.parametrize("front", [True, False])
def test_sections_that_do_not_belong(extra: bytes, front: bool) -> None:
    bare = usual(newest=None)
    payload = extra + bare if front else bare[: -len(section(0x75, b"\xa0\x07")) - 7] + extra + bare[-12:]
    decoder = TemplateDecoder()
    decoder.decode(bare, 0, len(bare))
    for _ in range(3):
        assert decoded(decoder, payload) == outcome(event_of, payload)
    assert decoded(decoder, bare) == fields(event_of(bare))
