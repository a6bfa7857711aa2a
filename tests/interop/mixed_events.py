"""Telemetry of many kinds, and what a consumer of the old connector's records is to read of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from ingest.amqp.types import Float, Int, Symbol, Timestamp, ULong
from ingest.emulator import Emulator

NUMBER: Final = "n"
"""The property with the event's number."""
TEXTS: Final = (
    "",
    "x",
    'say "hi"',
    "C:\\dir",
    "a\nb\t\x01",
    "é 한국어",
    "\U0001f600 \U00010348",
    "{a=b, c=d}",
    "</script>",
)
VALUES: Final[tuple[tuple[object, str], ...]] = (
    (Int(-7), "-7"),
    ((1 << 53) + 1, "9007199254740993"),
    (ULong((1 << 64) - 1), "18446744073709551615"),
    (1.5, "1.5"),
    (1e23, "9.999999999999999E22"),  # as Java wrote it up to version 18
    (4294967296.0, "4.294967296E9"),
    (Float(0.1), "0.1"),
    (True, "true"),
    (None, "null"),
    (Symbol("symbol"), "symbol"),
    (b"\x00A\xff", "\\x00A\\xff"),
    (Timestamp(951_782_400_000), "Tue Feb 29 00:00:00 UTC 2000"),
    (Timestamp(-1), "Wed Dec 31 23:59:59 UTC 1969"),
)
"""On these the old task ended: value, and Java's text of it."""
BODIES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"", ""),
    (b"\xff\x00\xfe", "\ufffd\x00\ufffd"),
    ("é 한국어 \U0001f600".encode(), "é 한국어 \U0001f600"),
    (b"x" * 20_000, "x" * 20_000),
)


@dataclass(frozen=True)
class Sent:
    """One event, and what is to be read of it."""

    device: str
    body: bytes
    content: str
    properties: Mapping[str, object]
    texts: Mapping[str, str]
    """The properties without the content type, as text."""
    content_type: str
    """The property of that name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of `Emulator.send`: content_type, content_encoding, message_id, correlation_id, module_id."""

    @property
    def system(self) -> dict[str, str]:
        """What of `labels` is among the system properties."""
        names = {"module_id": "iothub-connection-module-id"}
        return {names.get(name, name.replace("_", "-")): text for name, text in self.labels.items()}

    def is_read_from(self, fields: Mapping[str, Any]) -> bool:
        """Whether a struct with these fields says all of it."""
        said = (fields["deviceId"], fields["content"], fields["contentType"], fields["properties"])
        system: Mapping[str, str] = fields["systemProperties"]
        return (
            said == (self.device, self.content, self.content_type, self.texts) and self.system.items() <= system.items()
        )

    def is_read_from_text(self, text: str) -> bool:
        """Whether Java's text of a struct says all of it, in the order of the message."""
        head, content, rest = text.partition(f",content={self.content},systemProperties={{")
        properties = ", ".join(f"{name}={value}" for name, value in self.texts.items())
        return (
            bool(content)
            and head.startswith(f"Struct{{deviceId={self.device},offset=")
            and f",contentType={self.content_type},enqueuedTime=" in head
            and all(f"{name}={value}" in rest for name, value in self.system.items())
            and rest.endswith(f"}},properties={{{properties}}}}}")
        )


def mixed(number: int, random: Random) -> Sent:
    """The event of this number."""
    properties: dict[str, object] = {NUMBER: str(number)}
    texts = {NUMBER: str(number)}
    for place in range(random.randrange(4)):
        value, text = random.choice(VALUES) if random.random() < 0.3 else (None, random.choice(TEXTS))
        properties[f"p{place}"], texts[f"p{place}"] = (text if value is None and text != "null" else value), text
    content_type = random.choice(("", "", "application/json", "한국어"))
    if content_type:
        properties["contentType"] = content_type
    labels = {"content_type": "application/json", "content_encoding": "utf-8"} if random.random() < 0.5 else {}
    if random.random() < 0.3:
        labels["message_id"] = f"m-{number}"
        labels["correlation_id"] = random.choice(TEXTS) or "c"
    if random.random() < 0.1:
        labels["module_id"] = "module-1"
    content = f'{{"n":{number},"t":"{random.choice(TEXTS)}"}}' * random.choice((1, 1, 1, 40))
    body = content.encode()
    if random.random() < 0.1:
        body, content = random.choice(BODIES)
    return Sent(f"device-{number % 50}", body, content, properties, texts, content_type, labels)


def events(count: int, seed: int = 17) -> Iterator[Sent]:
    random = Random(seed)
    return (mixed(number, random) for number in range(count))


def send(hub: Emulator, sent: Sent) -> None:
    hub.send(
        sent.device,
        sent.body,
        properties=sent.properties,
        content_type=sent.labels.get("content_type"),
        content_encoding=sent.labels.get("content_encoding"),
        message_id=sent.labels.get("message_id"),
        correlation_id=sent.labels.get("correlation_id"),
        module_id=sent.labels.get("module_id"),
    )
