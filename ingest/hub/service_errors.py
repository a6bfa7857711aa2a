"""The AMQP client's errors: in words, and whether waiting can mend them."""

import re
from typing import Any, Final

from ingest.hub.auth.contract import NoToken
from ingest.hub.auth.identity import WRONG_IOT_HUB_KEY
from ingest.hub.conditions import of_link, of_status
from ingest.hub.network.faults import REFUSALS, NetworkFault

_OF_A_CLOCK: Final = re.compile(r"(?i)expired|not yet valid|valid from|lifetime")
_CLOCK_FIX: Final = "see that this machine's clock is right (timedatectl)"


class HubError(Exception):
    """What the hub said at the end of a link, or of a message that it rejected; any form that it may have is legible."""

    def __init__(self, condition: str, description: str, reason: str = "") -> None:
        """`condition`: "" where the hub gave none; then `reason` is the label of the metric, if there is a known one."""
        self.condition = condition
        self.description = description
        self.reason = reason
        super().__init__(f"{condition}: {description}" if condition and description else condition or description)


def hub_error(told: Any) -> HubError | None:
    """Reads an error as uamqp hands it to its callbacks: an object of its C library, a list in a list, or nothing that is
    one. None when there is no error in it. Raises nothing."""
    found: Any = told
    while isinstance(found, list) and len(found) >= 1 and isinstance(found[0], list):
        found = found[0]
    if isinstance(found, list):
        parts = [_text(part) for part in found[:2]]
    elif isinstance(found, BaseException):
        return None
    else:
        parts = [_text(_attribute(found, name)) for name in ("condition", "description")]
    condition, description = (*parts, "", "")[:2]
    return HubError(condition, description) if condition or description else None


def refused_token(told: HubError, fix: str) -> HubError:
    """The hub's refusal of a token, with what mends it."""
    # A token is told soon after it was made: one that has run out by then was made by another clock than the hub's.
    fix = _CLOCK_FIX if _OF_A_CLOCK.search(told.description) else fix
    return HubError(told.condition, f"the hub refuses the token ({told.description.rstrip('.')}): {fix}")


def words(error: Any) -> str:
    """What a client says of an error, or of the hub's answer to a message, in one clause."""
    if _is_refused_token(error):
        return f"the hub refuses the token: {WRONG_IOT_HUB_KEY}"
    if type(error).__name__ == "MessageHandlerError":
        # Its own words ask for other credentials, whatever has ended the link.
        return "the link ended without a word from the hub"
    description = getattr(error, "description", None)
    if description:
        return _text(description)
    return " ".join(str(error).split()) or type(error).__name__


def is_refusal(error: Exception) -> bool:
    """Whether the hub rejects our policy, key or name, or a proxy lets us not through: waiting does not mend that."""
    if isinstance(error, NetworkFault):
        return error.hop in REFUSALS
    if isinstance(error, NoToken):
        return error.refused
    return _is_refused_token(error) or of_link(condition_of(error)).verdict == "refused"


def condition_of(error: Any) -> str:
    """The AMQP condition of the hub; "" when there is none."""
    condition = getattr(error, "condition", None)
    text = _text(getattr(condition, "value", condition))
    # "Unknown" is what uamqp makes of a message that the hub released or modified, or whose link has ended.
    return "" if text == "amqp:unknown-error" else text


def _is_refused_token(error: Any) -> bool:
    if type(error).__name__ == "TokenAuthFailure":
        return of_status(error.status_code) is not None
    # uamqp keeps a pointer to the hub's words, but reads them after they were freed: often they are no text any more.
    of_token = type(error).__name__ == "AuthenticationException"
    return of_token and isinstance(getattr(error, "__context__", None), UnicodeDecodeError)


def _text(raw: Any) -> str:
    if isinstance(raw, bytes):
        return raw.decode(errors="replace")
    return "" if raw is None else str(raw)


def _attribute(told: Any, name: str) -> Any:
    try:
        return getattr(told, name, None)
    except Exception:  # the C library's objects raise what they like over what they cannot read
        return None
