"""Which transport a partition process receives through."""

from ingest.config import Config
from ingest.source.transport.contract import Transport


def open_transport(config: Config, partition: str, *, owned: bool = True, interrupt: int | None = None) -> Transport:
    """Returns the transport of `source.transport`; `owned`: it takes the partition from others, otherwise it reads only
    while the partition has no owner. `interrupt`: a descriptor; once it is readable, a wait for events can end early."""
    # Each is imported where it is wanted: the other one's client costs memory.
    if config.source.transport == "fast":
        from ingest.source.transport.fast import FastTransport

        return FastTransport(config, partition, owned=owned, interrupt=interrupt)
    from ingest.source.transport.sdk import SdkTransport

    return SdkTransport(config, partition, owned=owned)
