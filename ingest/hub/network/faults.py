"""Why there is no connection with a hub: at which hop, in whose words, and what mends it."""

from collections.abc import Iterator
from typing import Final, Literal

from ingest.printable import printable

Hop = Literal["name", "proxy", "proxy_password", "proxy_refuses", "port", "tls", "websocket"]
REFUSALS: Final = frozenset({"proxy_password", "proxy_refuses"})
"""Those that waiting does not mend: somebody has looked at what we asked for, and said no."""
_LONGEST: Final = 200


class NetworkFault(OSError):
    """A hop on the way to a hub failed. `str()` is one sentence: what was seen, and what mends it."""

    def __init__(self, hop: Hop, seen: str, fix: str) -> None:
        self.hop = hop
        self.seen = seen
        self.fix = fix
        super().__init__(f"{seen}: {fix}")


def fault_in(error: BaseException | None) -> NetworkFault | None:
    """The fault that an error is, or was made of by a client above us."""
    return next((each for each in made_of(error) if isinstance(each, NetworkFault)), None)


def made_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what a client above us made it of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        inner = getattr(error, "error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def quoted(words: str) -> str:
    """Words of another machine, fit for one line and cut when long."""
    text = printable(" ".join(words.split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
