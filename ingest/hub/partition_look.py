"""Whether partitions of the event hub are free or taken, looked at without taking them.

A reader without owner level never displaces another: beside readers of its own kind it is let in, and one with an owner
level (which every ingest has) makes the hub refuse it in words that tell that level ("Epoch" in "Features and
terminology in Azure Event Hubs", Microsoft Learn). Nothing is received: the links are closed as soon as they are up.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.config import Config
from ingest.hub import event_hubs
from ingest.hub.client.login import Login
from ingest.hub.client.manners import events
from ingest.hub.client.partition_link import PartitionLink
from ingest.hub.link_errors import link_ended
from ingest.hub.position import LATEST, StartAt
from ingest.timing import Deadline

SAMPLE = 8
"""Partitions looked at; each costs a link."""
_ANSWER_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to read a partition."""

    partition: str
    reason: str
    """"" when the hub let us in; else why not, as of `ingest.hub.link_errors.LinkEnded`, or "silent"."""
    words: str = ""
    """The hub's own."""


def try_to_read(config: Config, partitions: Sequence[str]) -> list[Attempt]:
    """Attaches to every partition, side by side, as a reader without owner level, and leaves; some 4 s at most."""
    links: dict[str, PartitionLink] = {}
    login: Login | None = None
    over: Exception | None = None
    try:
        login = Login(event_hubs.reader_entrance(config, str(uuid.uuid4())))
        deadline = Deadline(_ANSWER_SECONDS)
        client = login.until_granted(deadline)
        for each in partitions:
            attach = events(
                event_hubs.partition_address(config, each), StartAt(LATEST), owner_level=None, tracks_newest=False
            )
            links[each] = PartitionLink(client, attach)
        client.until(lambda: all(map(_answered, links.values())), deadline, "answered")
    except Exception as error:
        over = error
    finally:
        if login is not None:
            login.close()
    return [_attempt(each, links.get(each), over) for each in partitions]


def _answered(link: PartitionLink) -> bool:
    return link.came_up or link.error is not None


def _attempt(partition: str, link: PartitionLink | None, over: Exception | None) -> Attempt:
    if link is not None and link.came_up:
        return Attempt(partition, "")
    error = link.error if link is not None and link.error is not None else over
    if error is None or isinstance(error, TimeoutError):
        return Attempt(partition, "silent")
    ended = link_ended(error)
    return Attempt(partition, ended.reason, str(ended))
