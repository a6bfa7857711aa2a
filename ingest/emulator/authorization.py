"""What one connection may do: the tokens it has put, by the path that each opens."""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from ingest.emulator.hub import Clock
from ingest.emulator.sas import BadToken, verify


def address_path(address: str) -> str:
    """`amqps://host/Hub/ConsumerGroups/x` or `/Hub/…` → `hub/consumergroups/x`."""
    path = urlsplit(address).path if "://" in address else address
    return unquote(path).strip("/").lower()


ANY_PATH = "*"
"""For links that are open to whoever has put any good token."""


class Authorization:
    """Tokens are valid for the path in their audience and all below it. Which host they name is not compared:
    a client may know the emulator by any name."""

    def __init__(self, key_of: Callable[[str | None], bytes | None], clock: Clock) -> None:
        self._key_of = key_of
        self._clock = clock
        self._expiries: dict[str, int] = {}

    def put_token(self, audience: str, token: str) -> None:
        """Remember that `token` opens `audience`. Raises BadToken."""
        claims = verify(token, self._key_of, self._clock())
        if not _covers(address_path(claims.resource), address_path(audience)):
            raise BadToken(f"InvalidAudience: the token opens '{claims.resource}', not '{audience}'.")
        self._expiries[address_path(audience)] = claims.expiry

    def check_token(self, token: str) -> None:
        """Raises BadToken, without remembering anything."""
        verify(token, self._key_of, self._clock())

    def refusal(self, path: str) -> str | None:
        """Why `path` is not open now, or None if it is."""
        expiries = [expiry for opened, expiry in self._expiries.items() if path == ANY_PATH or _covers(opened, path)]
        if not expiries:
            return f"Unauthorized access. 'Listen' claim(s) are required to perform this operation. Resource: '{path}'."
        if max(expiries) <= self._clock():
            return "ExpiredToken: The token is expired. Put a new token on $cbs before the old one ends."
        return None


def _covers(opened: str, path: str) -> bool:
    return opened in ("", path) or path.startswith(opened + "/")
