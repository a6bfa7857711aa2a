"""What has ended a link to an event hub, ours or azure-eventhub's: the service's condition in words, and what to do about it."""

import re
from typing import Literal

from ingest import scarcity
from ingest.hub.auth.contract import NoToken
from ingest.hub.conditions import BAD_ARGUMENTS, KNOWN, of_link, of_status
from ingest.hub.network.faults import REFUSALS, fault_in, made_of
from ingest.hub.service_errors import HubError

Verdict = Literal["refused", "bad_position", "lost"]
"""refused: the same try will be refused again (key, name). bad_position: the hub does not know the offset or sequence
number, and another position may do. lost: try again after a while."""

_REQUEST_REFUSED = re.compile(r"Status code: (?P<status>\d{3})\b(?:,? *\n?Description: (?P<words>.*))?")
"""How azure-eventhub words an answer of $cbs or $management, which have status codes instead of conditions."""
_GEO_POSITION = "com.microsoft:georeplication:invalid-offset"
_POSITION = re.compile(r"offset|sequence.?number", re.IGNORECASE)
_SILENT = "No frame received for the idle timeout"
"""How azure-eventhub words that it has closed a connection on which nothing came, as if the hub had."""
_BEYOND_END = re.compile(r"last offset in the system is '(?P<last>-?\d{1,19})'")


class LinkEnded(Exception):
    """A link to the hub ended or never came up. `reason` is a metric label, `str()` the service's words."""

    def __init__(self, verdict: Verdict, reason: str, sentence: str, *, elsewhere: bool = False) -> None:
        self.verdict = verdict
        self.reason = reason
        self.elsewhere = elsewhere or verdict == "refused"
        """Whether the hub may have moved: its name has no address, or it refuses us."""
        super().__init__(sentence)


def link_ended(error: BaseException) -> LinkEnded:
    """Classifies an exception of either client, or of the stream below it."""
    if isinstance(error, LinkEnded):
        return error
    lacks = next((each for each in made_of(error) if isinstance(each, NoToken)), None)
    if lacks is not None:
        return LinkEnded("refused" if lacks.refused else "lost", "no_token", str(lacks))
    lacking = scarcity.words(error)
    if lacking is not None:
        return LinkEnded("lost", "scarcity", lacking)
    fault = fault_in(error)
    if fault is not None:
        verdict: Verdict = "refused" if fault.hop in REFUSALS else "lost"
        return LinkEnded(verdict, "connection_lost", str(fault), elsewhere=fault.hop == "name")
    if isinstance(error, HubError) and error.reason and not error.condition:
        return LinkEnded("lost", error.reason, str(error))
    condition, words = _condition(error), _words(error)
    if _SILENT in words:
        return LinkEnded("lost", "silent", "no frame from the hub for as long as it was told to send one")
    answer = _REQUEST_REFUSED.search(str(error))
    refused = of_status(int(answer["status"])) if answer is not None else None
    if answer is not None and refused is not None:
        return LinkEnded(*of_link(refused), _sentence(refused, answer["words"] or words))
    if condition == _GEO_POSITION or (condition in BAD_ARGUMENTS and _POSITION.search(words)):
        return LinkEnded("bad_position", "bad_position", _sentence(condition, words))
    verdict, reason = of_link(condition)
    if verdict == "refused":
        return LinkEnded(verdict, reason, _sentence(condition, words))
    if isinstance(error, TimeoutError):
        return LinkEnded("lost", "timeout", _sentence("", words or "the hub did not answer in time"))
    if isinstance(error, OSError):
        return LinkEnded("lost", "connection_lost", _sentence("", words))
    return LinkEnded(verdict, reason, _sentence(condition, words))


def last_offset(ended: LinkEnded) -> int | None:
    """The offset at which the log ends, when the hub gives that as its reason to refuse another one."""
    found = _BEYOND_END.search(str(ended))
    return int(found["last"]) if found is not None else None


def _condition(error: BaseException) -> str:
    """The AMQP condition of the error, in full."""
    condition = getattr(error, "condition", None)
    if condition:
        raw = getattr(condition, "value", condition)
        return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    # azure-eventhub's own errors keep what follows the first colon only.
    rest = getattr(error, "error", None)
    return next((full for full in (*KNOWN, _GEO_POSITION) if rest and full.partition(":")[2] == rest), rest or "")


def _words(error: BaseException) -> str:
    for attribute in ("description", "message"):
        text = getattr(error, attribute, None)
        if text:
            return (text.decode(errors="replace") if isinstance(text, bytes) else str(text)).replace("\n", " ")
    return str(error) or type(error).__name__


def _sentence(condition: str, words: str) -> str:
    return f"{condition}: {words}" if condition and condition not in words else words
