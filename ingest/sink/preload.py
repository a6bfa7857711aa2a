"""Everything that the sink's children import, for the fork server."""

import ingest.sink.feedback.fast
import ingest.sink.feedback.process
import ingest.sink.sending.fast
import ingest.sink.worker  # noqa: F401
