"""Everything that the sink's children import, for the fork server."""

import azure.iot.hub.sastoken
import uamqp

import ingest.sink.feedback.process
import ingest.sink.worker  # noqa: F401

__all__ = ["azure", "uamqp"]
