"""`transport = "fast"`: a link of our own client, which dials, logs in and attaches; then `ingest.source.transport.link`
reads its events. One thread does all of it but the dialing, and never waits for anything else than events."""

import time
import uuid
from collections.abc import Sequence

from ingest.config import Config
from ingest.hub import event_hubs
from ingest.hub.client.login import Login
from ingest.hub.client.manners import events
from ingest.hub.client.partition_link import PartitionLink
from ingest.hub.link_errors import link_ended
from ingest.hub.position import EARLIEST, StartAt
from ingest.source.events.received import Received
from ingest.source.hot_path import decoder_of
from ingest.source.transport.link import Link
from ingest.source.transport.prefetch import Prefetch


class FastTransport:
    """Implements `contract.Transport`."""

    name = "fast"

    def __init__(self, config: Config, partition: str, *, owned: bool = True) -> None:
        self._config = config
        self._partition = partition
        # As in the other transport: a later process wins the partition from an earlier one.
        self._owner_level = time.time_ns() // 1_000_000 if owned else None
        self._prefetch = Prefetch(config.source.prefetch)
        self._decoder = decoder_of(config.source.format)
        self._start = StartAt(EARLIEST)
        self._error: Exception | None = None
        """Why the link ended while no events were wanted, or could not be opened."""
        # Of the link that is open, in the order in which they come:
        self._login: Login | None = None
        self._asked: PartitionLink | None = None
        self._link: Link | None = None

    @property
    def credit(self) -> int:
        return self._prefetch.credit

    @property
    def attached(self) -> bool:
        return self._asked is not None and self._asked.came_up

    @property
    def newest(self) -> int | None:
        return self._link.newest if self._link is not None else None

    @property
    def more(self) -> bool:
        return self._link is not None and self._link.more

    def open(self, start: StartAt) -> None:
        self._start = start
        try:
            # The hub's operators see that name: azure-eventhub's readers have such ones.
            name = f"EHConsumer-{uuid.uuid4()}-partition{self._partition}"
            self._login = Login(event_hubs.reader_entrance(self._config, name))
        except RuntimeError as error:  # no more threads are allowed: a try that failed, as others do
            self._error = error

    def poll(self, timeout: float) -> Sequence[Received]:
        try:
            if self._error is not None:
                raise self._error
            if self._link is not None:
                return self._link.poll(timeout)
            self._come_up(timeout)
        except Exception as error:
            raise link_ended(error) from error
        return ()

    def tend(self) -> None:
        if self._link is not None:
            self._link.tend()
        elif self._error is None:
            try:
                self._come_up(0)
            except Exception as error:
                self._error = error

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        elif self._login is not None:
            self._login.close()
        self._login = self._asked = self._link = self._error = None

    def _come_up(self, timeout: float) -> None:
        """The next step towards the link, waited for up to `timeout` seconds."""
        login, asked = self._login, self._asked
        if login is None:
            return
        login.work(timeout)
        if asked is None:
            if login.granted:
                address = event_hubs.partition_address(self._config, self._partition)
                attach = events(address, self._start, owner_level=self._owner_level, tracks_newest=True)
                self._asked = PartitionLink(login.client, attach)
        elif asked.error is not None:
            raise asked.error
        elif asked.came_up:
            self._link = Link(login, asked, self._prefetch, self._decoder)
