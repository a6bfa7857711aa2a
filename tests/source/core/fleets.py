"""Messages of a fleet, and odd ones between them, made from a seed: cheap enough for a million."""

import gzip
import struct
import uuid
from collections.abc import Sequence
from random import Random

from ingest.amqp.encoding import encode, encode_list, encode_map
from ingest.amqp.message import DELIVERY_ANNOTATIONS, section
from ingest.amqp.types import (
    Byte,
    Char,
    Decimal64,
    Described,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)
from tests.source.messages import NOW_MS, runtime_metrics

_TEXTS = (
    "",
    "a",
    "high",
    "text/plain",
    "Привет, мир",
    "温度计",
    "🌡 21 °C",
    'say "no"\\',
    "tab\tline\nend\r\b\f",
    "\x00\x01\x1f\x7f",
)
_NO_TEXTS = (
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"abcdefgh\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"0123456\x80",
    b"\xf0\x80\x80\x80",
)
_NAMES = ("level", "n", "temperature", "é", "a b", 'quo"te', "x" * 200, "tab\t")
_ODD_NAMES = ("%41", "nul\0", "to", "message-id", "")


def message(random: Random, *, odd: float = 0.0) -> bytes:
    """One message as IoT Hub sends it; `odd` is the share of its parts that are no part of what fleets send."""

    def is_odd() -> bool:
        return random.random() < odd

    parts = [
        _annotations(random, is_odd()),
        _properties(random, is_odd()),
        _application(random, is_odd()),
        _body(random, is_odd()),
    ]
    if random.random() < 0.7:
        parts.insert(0, runtime_metrics(random.randrange(1 << 40)))
    elif is_odd():
        parts.insert(
            0, section(DELIVERY_ANNOTATIONS, random.choice([b"\xc1\x01\x00", encode({Symbol("a"): [1]}), b"\x40"]))
        )
    if is_odd():
        random.shuffle(parts)
    if is_odd():
        parts.append(random.choice([section(0x78, b"\xc1\x01\x00"), b"", b"\x00", section(0x75, encode(b"more"))]))
    made = b"".join(parts)
    return changed(random, made) if is_odd() else made


def changed(random: Random, made: bytes) -> bytes:
    """With some bytes others, gone, or more."""
    found = bytearray(made)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(found) + 1)
        match random.randrange(4):
            case 0 | 1 if at < len(found):
                found[at] = random.choice(
                    (found[at] ^ 1, found[at] ^ 0x80, 0, 0x25, 0x40, 0x56, 0xA1, 0xB1, 0xC1, 0xFF)
                )
            case 2:
                del found[at : at + random.randint(1, 4)]
            case _:
                found[at:at] = random.randbytes(random.randint(1, 3))
    return bytes(found)


def text(random: Random) -> str:
    return "".join(random.choices(_TEXTS, k=random.randint(0, 4))) or f"value-{random.randrange(1 << 30)}"


def usual_value(random: Random) -> object:
    """What a device or an enrichment puts into a property."""
    match random.randrange(12):
        case 0 | 1 | 2 | 3:
            return text(random)
        case 4:
            return random.choice((True, False, None))
        case 5:
            return random.randrange(-(1 << 63), 1 << 63) >> random.randrange(64)
        case 6:
            return ULong(random.getrandbits(64) >> random.randrange(64))
        case 7:
            return random.choice(
                (UByte(255), UShort(65_535), UInt(1 << 31), Byte(-128), Short(-32_768), Int(-5), UInt(0))
            )
        case 8:
            return Timestamp(random.choice((0, -1, NOW_MS, random.getrandbits(62))))
        case 9:
            return random.choice((random.random(), random.uniform(-1e300, 1e300), 1e16, 1e-7, 5.0, -0.0, Float(1.5)))
        case 10:
            return random.randbytes(random.randint(0, 9))
        case _:
            return uuid.UUID(int=random.getrandbits(128))


def odd_value(random: Random) -> bytes:
    return random.choice(
        (
            encode([1, "a", [None]]),
            encode({"a": 1}),
            encode(Described(Symbol("of:something"), "inner")),
            encode(Char("é")),
            encode(Decimal64((398 << 53 | 7).to_bytes(8, "big"))),
            encode(float("nan")),
            encode(float("-inf")),
            *(b"\xa1" + bytes((len(raw),)) + raw for raw in _NO_TEXTS),
            b"\xb1\x00\x00\x00\x02ok",
            b"\xb3\x00\x00\x00\x02ok",
            b"\xb1\x00\x00\x01\x00short",
            b"\x56\x02",
            b"\x57",
        )
    )


def _value(random: Random, is_odd: bool) -> bytes:
    return odd_value(random) if is_odd and random.random() < 0.5 else encode(usual_value(random))


def _annotations(random: Random, is_odd: bool) -> bytes:
    now_ms = NOW_MS + random.randrange(100_000) if random.random() < 0.9 else random.randrange(253_402_300_800_000)
    pairs: list[tuple[bytes, bytes]] = []

    def add(name: str, value: object) -> None:
        pairs.append((encode(Symbol(name)), encode(value)))

    if random.random() < 0.9:
        add("iothub-connection-device-id", f"device-{random.randrange(10_000)}")
        if random.random() < 0.3:
            add("iothub-connection-module-id", random.choice(("edge", "модуль")))
        add("iothub-connection-auth-method", '{"scope":"device","type":"sas","issuer":"iothub"}')
        add("iothub-enqueuedtime", Timestamp(now_ms - 3))
        add("iothub-message-source", random.choice(("Telemetry", "twinChangeEvents")))
    elif random.random() < 0.5:
        add("x-opt-partition-key", text(random))
    enrichments = range(random.randrange(3))
    pairs += [(encode(Symbol(f"dt-{random.randrange(1_000)}")), _value(random, is_odd)) for _ in enrichments]
    sequence = random.randrange(1 << 40)
    add("x-opt-sequence-number", sequence)
    add("x-opt-offset", str(sequence * 8))
    add("x-opt-enqueued-time", Timestamp(now_ms))
    if is_odd:
        match random.randrange(6):
            case 0:
                pairs.append(random.choice(pairs))
            case 1:
                pairs.append((encode(Symbol(random.choice(_ODD_NAMES))), _value(random, False)))
            case 2:
                del pairs[random.randrange(len(pairs))]
            case 3:
                place = random.randrange(len(pairs))
                pairs[place] = pairs[place][0], _value(random, True)
            case 4:
                random.shuffle(pairs)
            case _:
                pairs[-1] = (
                    encode(Symbol("x-opt-enqueued-time")),
                    b"\x83" + struct.pack(">q", random.choice((-1, 1 << 60))),
                )
    return section(0x72, _map(pairs))


def _map(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    return encode_map(part for pair in pairs for part in pair)


def _properties(random: Random, is_odd: bool) -> bytes:
    if random.random() < 0.2:
        return b""
    fields: list[bytes] = [
        encode(random.choice((None, str(uuid.UUID(int=random.getrandbits(128))), f"m-{random.randrange(99)}"))),
        encode(random.choice((None, b"user", b"\xffuser"))),
        encode(random.choice((None, "/devices/a"))),
        encode(random.choice((None, "subject"))),
        encode(None),
        encode(random.choice((None, "c-1", ULong(random.getrandbits(60)), uuid.UUID(int=7), b"c", b"\xff"))),
        encode(random.choice((None, Symbol("application/json"), "text/plain"))),
        encode(random.choice((None, Symbol("utf-8"), "gzip"))),
        encode(random.choice((None, Timestamp(NOW_MS)))),
        encode(random.choice((None, Timestamp(random.getrandbits(41))))),
        encode(random.choice((None, "group"))),
        encode(random.choice((None, UInt(random.getrandbits(32))))),
        encode(random.choice((None, "reply"))),
    ]
    fields = fields[: random.randrange(14)]
    if is_odd:
        fields[random.randrange(len(fields) + 1) :][:1] = [_value(random, True)]
        if fields and random.random() < 0.8:
            fields[random.randrange(len(fields))] = _value(random, True)
        if random.random() < 0.1:
            fields += [encode(None)] * 13
    return section(0x73, encode_list(fields) if fields or random.random() < 0.5 else b"\x45")


def _application(random: Random, is_odd: bool) -> bytes:
    if random.random() < 0.2:
        return b""
    names = random.sample(_NAMES, random.randrange(5)) + [f"p{n}" for n in range(random.choice((0, 0, 0, 20)))]
    pairs = [(encode(name), _value(random, is_odd)) for name in names]
    if is_odd:
        pairs.append(random.choice(((encode(random.choice(_ODD_NAMES)), encode(1)), (encode(5), encode("x")))))
        if random.random() < 0.3:
            pairs.append(random.choice(pairs))
        if random.random() < 0.1:
            pairs += [(encode(f"many-{n}"), encode(n)) for n in range(70)]
    return section(0x74, _map(pairs))


def _body(random: Random, is_odd: bool) -> bytes:
    match random.randrange(8):
        case 0 | 1 | 2:
            content = b'{"temperature":%d,"ok":true,"name":"%s"}' % (
                random.getrandbits(20),
                b"x" * random.randrange(500),
            )
        case 3:
            content = (text(random) * random.randrange(20)).encode()
        case 4:
            content = random.randbytes(random.randrange(300))
        case 5:
            content = gzip.compress(b'{"a":1}' * random.randrange(50), mtime=0)
        case 6:
            content = random.choice((b"\x00", b"\n", b"\x00a" * 4, b"\xd0\xbf")) * random.randrange(600)
        case _:
            content = random.choice(_NO_TEXTS) + b"x" * random.randrange(20) if random.random() < 0.5 else b""
    if not is_odd:
        if random.random() < 0.1:
            return section(0x77, encode(random.choice((None, "text é", content))))
        return section(0x75, encode(content))
    kinds = (
        section(0x75, b"\xa0\x01a") * 2,
        section(0x76, encode([1])),
        section(0x77, odd_value(random)),
        b"",
        b"\x00\x53\x75\xa0\x05x",
    )
    return random.choice(kinds)
