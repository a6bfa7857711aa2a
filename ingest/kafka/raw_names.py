"""Headers whose names are not UTF-8, written with their original names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ingest.kafka.header_names import MARK, Header, unescape
from ingest.kafka.headers import UndecodableNamesKept


@contextmanager
def raw_names(headers: Sequence[Header]) -> Iterator[list[Header]]:
    """Gives the headers with the names that `header_names.escape` stands for. Pass them to the client library only
    inside the `with`: outside, such a name ends the process."""
    if not any(name.startswith(MARK) for name, _ in headers):
        yield list(headers)
        return
    with UndecodableNamesKept():
        yield [(unescape(name).decode(errors="surrogateescape"), value) for name, value in headers]
