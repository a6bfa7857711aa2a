"""`sink.lenient_expiry`: expiries as the old Kafka Connect connector read them, bad ones silently dropped. Pure.

There JSON text has `expiryTime` and a struct has `expiry`; each ignores the other's name. In text, Java's lenient
SimpleDateFormat reads the time: the pattern is `yyyy-MM-dd'T'HH:mm:ss'Z'`, the 30th of February is the 2nd of March,
and what follows the Z is ignored. If it cannot read the time, the command has no expiry.
"""

import re
from collections.abc import Set
from typing import Final

from ingest.sink.commands.expiry import Moment, milliseconds
from ingest.sink.commands.formats.contract import Fields
from ingest.sink.commands.json_text import Member

_MOST_DIGITS: Final = 9
_NUMBER: Final = rf"[ \t]*(\d{{1,{_MOST_DIGITS}}})"
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
    try:
        return milliseconds(year + (month - 1) // 12, (month - 1) % 12 + 1, day, hour, minute, second)
    except OverflowError:
        return None


def _is_there(found: dict[str, Member], name: str) -> bool:
    return name in found and found[name].value is not None
