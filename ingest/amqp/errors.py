"""The one error of this package."""

from ingest.errors import IngestError


class AmqpError(IngestError):
    """Bytes that are not AMQP 1.0, or a value that AMQP 1.0 cannot carry."""
