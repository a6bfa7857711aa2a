"""The headers of a record, whatever bytes are in their names."""

import codecs
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Message

from ingest.kafka.header_names import Header, escape

_lock = threading.Lock()


def headers_of(message: Message) -> list[Header]:
    """Returns the headers, [] if there are none. A name that is not UTF-8 comes as `header_names.escape` writes it."""
    with undecodable_names_kept():
        headers = message.headers()
    pairs = list(headers.items() if isinstance(headers, dict) else headers or ())
    return [(name if name.isascii() else escape(name.encode(errors="surrogateescape")), value) for name, value in pairs]


@contextmanager
def undecodable_names_kept() -> Iterator[None]:
    """Names that are not UTF-8 become text with surrogates (PEP 383), in this thread.

    confluent-kafka decodes them strictly: a failing one leaves a SystemError and a null pointer in the returned list,
    and any access to that ends the process. Compare such names as bytes: Python 3.14 stores one whose first byte is not
    UTF-8 with more bytes per character than it needs, and so it equals no other text.
    """
    us = threading.get_ident()
    keep = codecs.lookup_error("surrogateescape")

    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if threading.get_ident() != us:
            raise error
        return keep(error)

    with _lock:
        codecs.register_error("strict", handle)
        try:
            yield
        finally:
            codecs.register_error("strict", codecs.strict_errors)
