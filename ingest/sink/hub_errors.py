"""The AMQP client's errors: in words, and whether waiting can mend them."""

from typing import Any

REFUSED_STATUSES = (401, 403, 404)


def words(error: Any) -> str:
    """What uamqp says of an error, or of the hub's answer to a message, in one clause."""
    if _is_refused_token(error):
        return "the hub refuses the token: check policy, key and host name of hub.iot_hub_connection_string"
    if type(error).__name__ == "MessageHandlerError":
        # Its own words ask for other credentials, whatever has ended the link.
        return "the link ended without a word from the hub"
    description = getattr(error, "description", None)
    if description:
        return description.decode(errors="replace") if isinstance(description, bytes) else str(description)
    return " ".join(str(error).split()) or type(error).__name__


def is_refusal(error: Exception) -> bool:
    """Whether the hub knows our policy or key not, or does not let it do this: waiting does not mend that."""
    return _is_refused_token(error) or condition_of(error) == "amqp:unauthorized-access"


def condition_of(error: Any) -> str:
    """The AMQP condition of the hub; "" when there is none."""
    condition = getattr(error, "condition", None)
    raw = getattr(condition, "value", condition)
    text = raw.decode() if isinstance(raw, bytes) else str(raw or "")
    # "Unknown" is what uamqp makes of a message that the hub released or modified, or whose link has ended.
    return "" if text == "amqp:unknown-error" else text


def _is_refused_token(error: Any) -> bool:
    if type(error).__name__ == "TokenAuthFailure":
        return error.status_code in REFUSED_STATUSES
    # uamqp keeps a pointer to the hub's words, but reads them after they were freed: often they are no text any more.
    return isinstance(getattr(error, "__context__", None), UnicodeDecodeError)
