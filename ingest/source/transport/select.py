"""Which transport a partition process receives through."""

import logging

from ingest.config import Config
from ingest.source.transport.contract import Transport
from ingest.source.transport.sdk import SdkTransport

logger = logging.getLogger(__name__)


def open_transport(config: Config, partition: str, *, owned: bool = True) -> Transport:
    """Returns the transport of `source.transport`; `owned`: it takes the partition from others, otherwise it reads only
    while the partition has no owner.

    If the fast one does not fit the installed client, it is the client's own."""
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
