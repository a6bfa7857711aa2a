"""How long the links to the hub, for commands and for feedback, wait for what."""

from typing import Final

OPEN_SECONDS: Final = 20.0
"""A link that is not ready after this long is given up."""
IDLE_SECONDS: Final = 60.0
"""A connection on which nothing comes for so long is none any more. The stock clients of .NET, Go and JavaScript tell the hub
the same."""
STEADY_SECONDS: Final = 30.0
"""A link that lived this long makes the next reconnect quick again."""
