"""Which fields of two records of one event differ, but for what ours writes in another way on purpose. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from ingest.shadow.shape import FIELDS, MAPS, text_view
from ingest.source.formats.java_numbers import fits_single, number_text

_DATE: Final = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d) ([A-Za-z0-9:+-]+) (\d{4,})")
"""`java.util.Date.toString()`, in the zone of its machine."""
_NUMBER: Final = re.compile(r"-?\d+\.\d+(E-?\d+)?")
_ADDRESS: Final = re.compile(r"\[?[\w.$;]+@[0-9a-f]{1,8}")
"""What Java writes of an object that has no text."""
_FURTHEST: Final = timedelta(hours=14)
_QUARTER: Final = timedelta(minutes=15)


class Difference(NamedTuple):
    field: str
    """`content`, or `properties.level` of an entry."""
    old: str | None
    new: str | None
    """None: there is none."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Of two excerpts, the old record's and ours."""
    return [*_of_fields(old, new), *_of_maps(old, new)]


def _of_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in FIELDS:
        if old[name] != new[name]:
            yield Difference(name, _shown(old[name]), _shown(new[name]))


def _of_maps(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    as_text = old["isText"] or new["isText"]
    for name in MAPS:
        there, here = (text_view(each[name]) if as_text else each[name] for each in (old, new))
        for entry in sorted(there.keys() | here.keys()):
            before, after = there.get(entry), here.get(entry)
            if before != after and not (name == "systemProperties" and _same(entry, before, after)):
                yield Difference(f"{name}.{entry}", before, after)


def _shown(value: object) -> str | None:
    return None if value is None else str(value)


def _same(entry: str, old: str | None, new: str | None) -> bool:
    """Whether a system property differs in a way that docs/records.md describes."""
    if old is None or new is None:
        return False
    if entry == "user-id" and _ADDRESS.fullmatch(old):
        return True
    return _same_date(old, new) or _same_float(old, new)


def _same_float(old: str, new: str) -> bool:
    """Whether ours has the digits that JSON has of a float, which are those of a double."""
    if _NUMBER.fullmatch(old) is None or _NUMBER.fullmatch(new) is None:
        return False
    number = float(new)
    return fits_single(number) and number_text(number, single=True) == old


def _same_date(old: str, new: str) -> bool:
    """Whether these are one moment, `old` in a zone of which no more is known than its abbreviation."""
    there, here = _DATE.fullmatch(old), _DATE.fullmatch(new)
    if there is None or here is None or there[2] == here[2]:
        return False
    try:
        apart = _local(there) - _local(here)
    except ValueError:
        return False
    return abs(apart) <= _FURTHEST and not apart % _QUARTER


def _local(date: "re.Match[str]") -> datetime:
    return datetime.strptime(f"{date[1]} {date[3]}", "%b %d %H:%M:%S %Y")
