"""Names of record headers that are not UTF-8, as text that can be written and turned back. Pure.

Kafka's protocol requires UTF-8, but brokers do not check headers, and some producers write other bytes. The Python
client can neither read nor write such a name.
"""

from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

Header = tuple[str, str | bytes | None]
"""Name and value, as confluent-kafka takes them and gives them."""

MARK: Final = "raw-name:"
"""Begins a name that stands for another one: the rest is the other name's bytes, percent-encoded."""


def escape(name: bytes) -> str:
    """Returns the name itself if it is UTF-8, else a marked one; see `unescape`."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return MARK + quote_from_bytes(name, safe="")


def unescape(name: str) -> bytes:
    """Reverses `escape`; a name that begins with the mark always stands for another one."""
    return unquote_to_bytes(name.removeprefix(MARK)) if name.startswith(MARK) else name.encode()
