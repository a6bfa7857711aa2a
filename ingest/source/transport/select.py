"""Which transport a partition process receives through."""

import logging

from ingest.config import Config
from ingest.source.transport.contract import Transport
from ingest.source.transport.sdk import SdkTransport

logger = logging.getLogger(__name__)


def open_transport(config: Config, partition: str, *, owned: bool = True) -> Transport:
    """The one of `source.transport`; `owned`: it wins the partition from others, and else reads only while nobody owns it.

    Instead of a fast one that does not fit the installed client, the client's own."""
    if config.source.transport == "fast":
        try:
            from ingest.source.transport.fast import FastTransport
        except ImportError as error:
            logger.warning(
                'Partition %s: source.transport = "sdk" is used, which is several times slower: %s.', partition, error
            )
        else:
            return FastTransport(config, partition, owned=owned)
    return SdkTransport(config, partition, owned=owned)
