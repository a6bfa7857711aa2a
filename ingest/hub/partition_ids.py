"""The ids of a hub's partitions. Pure."""

from collections.abc import Iterable

from ingest.errors import Refused


def in_order(partitions: Iterable[str]) -> list[str]:
    """Returns them in the order of their numbers: 2 comes before 10."""
    return sorted(partitions, key=lambda each: (len(each), each))


def check_known(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Raises Refused if the hub has not all of `wanted`."""
    known = list(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise Refused(f"the hub has no partition {', '.join(unknown)}: it has {', '.join(known)}")
