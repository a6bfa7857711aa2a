"""Everything that the source's children import, for the fork server."""

import ingest.source.discover
import ingest.source.partition
import ingest.source.transport.fast  # noqa: F401
