"""What a format of commands promises: a record's value in, a command's fields by name out."""

from typing import NamedTuple, Protocol

from ingest.sink.commands.json_text import Member


class Fields(NamedTuple):
    """What a value holds; whether the fields are any good is for `command` to say."""

    by_name: dict[str, Member]
    """A number is a `Number`, bytes are the message as it is; null stands for an absent field, but for `message`."""
    ignored: tuple[str, ...] = ()
    """Names of fields that the value holds and the format does not read."""


class Format(Protocol):
    @property
    def reads_headers(self) -> bool:
        """Whether a header `deviceId` makes the value a body, which is then sent untouched."""

    def read(self, value: bytes) -> Fields:
        """Raises Undeliverable (malformed), or SchemaMissing (`schemas`) for a schema that is not here yet."""
