"""Everything that the source's children import, for the fork server."""

import ingest.source.discover
import ingest.source.partition  # noqa: F401
