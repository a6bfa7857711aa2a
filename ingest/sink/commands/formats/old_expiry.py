"""`sink.lenient_expiry`: expiries as the old Kafka Connect connector read them, bad ones silently dropped. Pure.

There JSON text has `expiryTime` and a struct has `expiry`; each ignores the other's name. In text, Java's lenient
SimpleDateFormat reads the time: the pattern is `yyyy-MM-dd'T'HH:mm:ss'Z'`, the 30th of February is the 2nd of March,
and what follows the Z is ignored. If it cannot read the time, the command has no expiry.
"""

import re
from collections.abc import Set
from typing import Final

from ingest.instants import day_number
from ingest.sink.commands.expiry import Moment, carried
from ingest.sink.commands.formats.contract import Fields
from ingest.sink.commands.json_text import Member

_MOST_DIGITS: Final = 9
_NUMBER: Final = rf"[ \t]*(-?\d{{1,{_MOST_DIGITS}}})"
_DAY_SECONDS: Final = 86_400
_GREGORIAN_YEAR: Final = 1582
_GREGORIAN_SINCE: Final = -141_427
"""The day 1582-10-15, counted from 1970."""
_JULIAN_MARCH: Final = 719_470
"""Days from the first of March of the year 0 in the Julian calendar to 1970."""
_PATTERN: Final = re.compile(rf"{_NUMBER}-{_NUMBER}-{_NUMBER}T{_NUMBER}:{_NUMBER}:{_NUMBER}Z")


def in_text(found: dict[str, Member]) -> Fields:
    """Returns the fields of JSON text; `expiryTime` is a `Moment`."""
    ignored = [name for name in ("expiry",) if _is_there(found, name)]
    kept = {name: member for name, member in found.items() if name != "expiry"}
    if _is_there(found, "expiryTime"):
        written = found["expiryTime"]
        moment = simple_date(written.value) if isinstance(written.value, str) else None
        if moment is None:
            del kept["expiryTime"]
            ignored.append("expiryTime")
        else:
            kept["expiryTime"] = written._replace(value=Moment(moment))
    return Fields(kept, tuple(ignored))


def in_struct(found: dict[str, Member], texts: Set[str]) -> Fields:
    """Returns the fields of a struct. `texts`: strings by its schema; any other value there counts as null."""
    dropped = [name for name in ("expiryTime",) if _is_there(found, name)]
    if "expiry" in texts and _is_there(found, "expiry") and not isinstance(found["expiry"].value, str):
        dropped.append("expiry")
    return Fields({name: member for name, member in found.items() if name not in dropped}, tuple(dropped))


def simple_date(text: str) -> int | None:
    """Returns Unix milliseconds, as SimpleDateFormat reads them; None if it cannot read the text."""
    match = _PATTERN.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    more_days, of_day = divmod((hour * 60 + minute) * 60 + second, _DAY_SECONDS)
    days = _first_of_month(year, month, day - 1 + more_days)
    if days is None:
        return None
    try:
        return carried(((days + day - 1 + more_days) * _DAY_SECONDS + of_day) * 1000)
    except OverflowError:
        return None


def _first_of_month(year: int, month: int, days_behind: int) -> int | None:
    """Returns the first day of a month, whatever its number, from 1970; None if it is too far away.

    As in Java's calendar, days before 1582-10-15 are those of the Julian calendar.
    """
    of_year, of_month = year + (month - 1) // 12, (month - 1) % 12 + 1
    gregorian = day_number(of_year, of_month, 1)
    if gregorian is None:
        return None
    if year >= _GREGORIAN_YEAR and gregorian + days_behind >= _GREGORIAN_SINCE:
        return gregorian
    since_march = of_year - (of_month < 3)
    return 365 * since_march + since_march // 4 + (153 * ((of_month + 9) % 12) + 2) // 5 - _JULIAN_MARCH


def _is_there(found: dict[str, Member], name: str) -> bool:
    return name in found and found[name].value is not None
