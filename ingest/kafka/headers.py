"""The headers of a record, whatever bytes are in their names."""

import codecs
import threading

from confluent_kafka import Message

from ingest.kafka.header_names import Header, escape

_lock = threading.Lock()
_keeper = 0
"""The thread that holds the lock."""
_keep = codecs.lookup_error("surrogateescape")


def headers_of(message: Message) -> list[Header]:
    """Returns the headers, [] if there are none. A name that is not UTF-8 comes as `header_names.escape` writes it."""
    with UndecodableNamesKept():
        headers = message.headers()
    if not headers:
        return []
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    return [(name if name.isascii() else escape(name.encode(errors="surrogateescape")), value) for name, value in pairs]


class UndecodableNamesKept:
    """Names that are not UTF-8 become text with surrogates (PEP 383), in this thread.

    confluent-kafka decodes them strictly: a failing one leaves a SystemError and a null pointer in the returned list,
    and any access to that ends the process. Compare such names as bytes: Python 3.14 stores one whose first byte is not
    UTF-8 with more bytes per character than it needs, and so it equals no other text.
    """

    # No generator of contextlib, and no closure: every record pays for them.
    def __enter__(self) -> None:
        global _keeper
        _lock.acquire()
        _keeper = threading.get_ident()
        codecs.register_error("strict", _handle)

    def __exit__(self, *_: object) -> None:
        codecs.register_error("strict", codecs.strict_errors)
        _lock.release()


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    if threading.get_ident() != _keeper:
        raise error
    return _keep(error)
