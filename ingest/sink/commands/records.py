"""One Kafka record of a command topic → its command, or its dead letter. Every record becomes one of them. Pure."""

from confluent_kafka import Message

from ingest.errors import IngestError, Undeliverable
from ingest.kafka.dead_letters.record import DeadLetter, dead_letter, without_body
from ingest.kafka.header_names import MARK, unescape
from ingest.kafka.headers import headers_of
from ingest.sink.commands.command import Ack, Command, Origin, parse
from ingest.sink.commands.field_names import PROPERTY_PREFIX
from ingest.sink.commands.formats.contract import Format
from ingest.sink.commands.plain import plain_command
from ingest.sink.commands.quoting import clip
from ingest.sink.commands.record_layout import JSON, Headers

UNEXPECTED = "unexpected"


def origin_of(message: Message) -> Origin:
    return Origin(message.topic() or "", message.partition() or 0, message.offset() or 0)


def size_of(message: Message, headers: Headers) -> int:
    """Returns the bytes of key, value and headers, whether part of the command or not."""
    size = len(message.key() or b"") + len(message.value() or b"")
    if headers:
        size += sum(len(name) + len(value or b"") for name, value in headers)
    return size


def command_of(
    message: Message, origin: Origin, *, now_ms: int, default_ack: Ack, form: Format = JSON
) -> tuple[Command, int] | None:
    """Returns the command as `parse`, and the `size_of` its record, which is `origin`'s; None for a tombstone. Raises only
    Undeliverable and SchemaMissing."""
    try:
        headers, value, command = headers_of(message), _bytes(message.value()), None
        if headers:
            _check_names(headers)
        elif value is not None and form.reads_plain:
            command = plain_command(value, origin, now_ms=now_ms, default_ack=default_ack)
        if command is None:
            command = parse(value, headers, origin, now_ms=now_ms, default_ack=default_ack, form=form)
        return None if command is None else (command, size_of(message, headers))
    except IngestError:
        raise
    except Exception as error:
        raise unexpected(error) from error


def letter_of(message: Message, why: Undeliverable) -> DeadLetter:
    """Returns a dead letter with everything of the record: key, value and headers."""
    position = origin_of(message)._asdict()
    value = _bytes(message.value()) or b""
    return dead_letter(_bytes(message.key()), value, why.reason, str(why), position, headers_of(message))


def letter_of_place(origin: Origin, key: bytes | None, why: Undeliverable) -> DeadLetter:
    """Returns a dead letter for a record of which only the place is left."""
    return without_body(dead_letter(key, b"", why.reason, str(why), origin._asdict()))


def unexpected(error: Exception) -> Undeliverable:
    """Returns the error for a record on which our own code or a library fails: only this record is set aside."""
    # Such an error's text can hold what cannot be encoded (lone surrogates).
    words = f"{type(error).__name__}: {error}".encode("ascii", "backslashreplace").decode()
    return Undeliverable(UNEXPECTED, f"The command cannot be handled ({words[:500]}): please report this.")


def _check_names(headers: Headers) -> None:
    """Checks property names: they go to the device, which accepts only UTF-8; foreign headers can have any name."""
    for name, _ in headers:
        if name.startswith(MARK) and unescape(name).startswith(PROPERTY_PREFIX.encode()):
            raise Undeliverable(
                "invalid_property", f"The header name {clip(unescape(name))} is not text: write it in UTF-8."
            )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
