"""Everything that the source's children import, for the fork server."""

import contextlib

import ingest.source.discover
import ingest.source.partition

with contextlib.suppress(ImportError):  # reported by the children that want it
    import ingest.source.transport.fast  # noqa: F401
