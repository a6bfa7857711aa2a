"""The contract of a command format: a record's value in, a command's fields by name out."""

from typing import NamedTuple, Protocol

from ingest.sink.commands.json_text import Member


class Fields(NamedTuple):
    """What a value holds; `command` checks whether the fields are valid."""

    by_name: dict[str, Member]
    """A number is a `Number`, bytes are the message as it is; null stands for an absent field, except `message`."""
    ignored: tuple[str, ...] = ()
    """Names of fields in the value that the format does not read."""


class Format(Protocol):
    @property
    def reads_headers(self) -> bool:
        """Whether a header `deviceId` makes the value the body, which is then sent unchanged."""

    @property
    def reads_plain(self) -> bool:
        """Whether a JSON object of plain strings (`plain`) is a command with just those fields."""

    def read(self, value: bytes) -> Fields:
        """Raises Undeliverable (malformed), or SchemaMissing (`schemas`) if a schema is not here yet."""
