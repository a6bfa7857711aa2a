"""Headers whose names are not UTF-8, written under the names that they were read with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ingest.kafka.header_names import MARK, Header, unescape
from ingest.kafka.headers import undecodable_names_kept


@contextmanager
def raw_names(headers: Sequence[Header]) -> Iterator[list[Header]]:
    """The headers, with the names that `header_names.escape` stands for. The client library can be given them inside of
    the `with` only: outside, such a name ends the process."""
    if not any(name.startswith(MARK) for name, _ in headers):
        yield list(headers)
        return
    with undecodable_names_kept():
        yield [(unescape(name).decode(errors="surrogateescape"), value) for name, value in headers]
