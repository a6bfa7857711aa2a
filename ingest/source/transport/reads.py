"""Reads of a stream, small ones put together.

A hub that is not busy sends each event in a TLS record of its own, and what follows a read, in Python, costs more than the
read: at 10,000 events/s most of the time of a partition process.
"""

from ingest.hub.network.contract import Stream

READ_BYTES = 1 << 14
"""One read; a TLS record has no more."""
_SMALL = READ_BYTES // 2


class Reads:
    """`read` of one stream, on one thread."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._late: OSError | None = None
        """Came behind bytes that are returned first."""

    def read(self) -> bytes | None:
        """Returns what is there, up to about READ_BYTES; None when nothing is, b"" when the other side has ended.

        Raises OSError if the connection is broken, once all that came before is read.
        """
        if self._late is not None:
            raise self._late
        first = self._stream.read(READ_BYTES)
        if not first or len(first) > _SMALL:
            return first
        parts, size = [first], len(first)
        try:
            # The end of the stream, b"", is said again by the next read.
            while size < READ_BYTES and (part := self._stream.read(READ_BYTES)):
                parts.append(part)
                size += len(part)
        except OSError as error:
            self._late = error
        return b"".join(parts) if len(parts) > 1 else first
