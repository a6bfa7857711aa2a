"""What a token endpoint gave → a token that can be shown to a service, and for how long. Pure.

The answer is another machine's: what no service could read, or a life that no token has, must not reach the processes.
"""

import base64
import json
import math
import re
from typing import Final

from ingest.hub.auth.contract import Held

LONGEST_SECONDS: Final = 48 * 3600.0
"""Longer than any token of Entra's holds, so that one is renewed once a day whatever its endpoint says of its life."""
_TEXT: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,32768}={0,2}")
"""RFC 6750's alphabet."""


class NotUsable(ValueError):
    """It is no token, or one that has run out. `str()` is a clause, and does not show it."""


def usable(text: object, expires: float, now: float) -> Held:
    """`expires`: when it runs out as its endpoint says; both Unix seconds of this machine's clock. Raises NotUsable."""
    if not isinstance(text, str) or not _TEXT.fullmatch(text):
        raise NotUsable("what it gives in the place of a token is none")
    seconds = expires - now
    # So written, no number at all is one that has run out.
    if not seconds > 0:
        raise NotUsable(f"its token has run out when it comes, {-seconds:.0f} s ago")
    return Held(text, now + min(seconds, LONGEST_SECONDS, own_life(text)))


def own_life(text: str) -> float:
    """Returns the seconds from the making of a JSON Web Token to its end, by its own claims; infinity where it has none."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        seconds = float(claims["exp"]) - float(claims["iat"])
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError):
        return math.inf
    return seconds if seconds > 0 else math.inf
