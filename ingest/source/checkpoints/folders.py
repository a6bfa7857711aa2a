"""Where in a container the checkpoints of a scope can lie, besides the place that we write to.

Python, Java, .NET and JavaScript write the names in a blob's path in lower case, as we do; Go and Rust keep their case.
Event Processor Hosts and Azure Functions keep leases instead, in a folder named like the consumer group.
"""

import logging
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ingest.source.checkpoints.store import Scope

if TYPE_CHECKING:
    from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import ContainerClient

_MOST_ENTRIES = 20_000
"""The most entries read of one folder; four pages of the service."""
_MOST_FOLDERS = 40
_DEEPEST = 4
_NOT_OURS = {"checkpoint", "ownership"}
_NAMESPACE = re.compile(r"\.servicebus\.|:\d+$")

logger = logging.getLogger(__name__)


class Folders:
    """Searches one container. Every method does I/O and raises what the storage client raises."""

    def __init__(self, client: "ContainerClient", scope: Scope) -> None:
        self._client = client
        self._names = [scope.namespace, scope.event_hub, scope.consumer_group]
        self.folded = "/".join(self._names).lower()
        """The folder that we write to, without a slash at its end."""

    def of_scope(self) -> list[str]:
        """Returns every folder that has the names of the scope in any case; `folded` comes first, even if it does not
        exist.

        Costs three List Blobs, one more for each spelling.
        """
        found = [""]
        for name in self.folded.split("/"):
            found = [
                folder
                for parent in found
                for folder in self._entries(parent)
                if folder.endswith("/") and folder[len(parent) : -1].lower() == name
            ]
        # The configured spelling is the likeliest; in a container with very many folders the search can miss it.
        places = dict.fromkeys([self.folded, "/".join(self._names), *(folder.rstrip("/") for folder in found)])
        return list(places)

    def leases(self) -> dict[str, list[str]]:
        """Returns partition → names of the blobs that can be its lease; several only if they are equally likely.

        The host's prefix for its leases is unknown: folders are searched four levels deep, 40 at most.
        """
        likely: dict[str, dict[int, list[str]]] = {}
        waiting, searched = deque([""]), 0
        while waiting:
            if searched == _MOST_FOLDERS:
                logger.warning(
                    "The checkpoint container has more than %d folders: leases of an old Event Processor Host were looked for"
                    " in the first of them only.",
                    _MOST_FOLDERS,
                )
                break
            searched += 1
            for entry in self._entries(waiting.popleft()):
                parts = entry.rstrip("/").split("/")
                if entry.endswith("/"):
                    if len(parts) <= _DEEPEST and parts[-1].lower() not in _NOT_OURS and self._may_be_ours(parts):
                        waiting.append(entry)
                elif parts[-1].isdecimal() and self._is_group(parts[:-1]):
                    likely.setdefault(parts[-1], {}).setdefault(self._likeness(parts[:-2]), []).append(entry)
        return {partition: names[max(names)] for partition, names in likely.items()}

    def _entries(self, folder: str) -> Iterator[str]:
        """Returns the names of the blobs in it, and of its folders, with a slash at the end."""
        listed = self._client.walk_blobs(name_starts_with=folder or None, delimiter="/")
        return (entry.name for entry in islice(listed, _MOST_ENTRIES))

    def _may_be_ours(self, parts: list[str]) -> bool:
        """Returns False below another namespace, or below another hub of our namespace."""
        namespace, hub = (name.lower() for name in self._names[:2])
        for part, below in zip(parts, [*parts[1:], None], strict=True):
            if part.lower() == namespace:
                return below is None or below.lower() == hub
            if _NAMESPACE.search(part):
                return False
        return True

    def _is_group(self, parts: list[str]) -> bool:
        """Whether this folder is named like the consumer group; after a prefix only if it cannot be mistaken for
        another group."""
        if not parts:
            return False
        name, group = parts[-1].lower(), self._names[2].lower()
        return name == group or (group.startswith("$") and name.endswith(group))

    def _likeness(self, prefix: list[str]) -> int:
        """Returns how much of the scope is in the folders above the consumer group's."""
        names = [part.lower() for part in prefix]
        return sum(name.lower() in names for name in self._names[:2])
