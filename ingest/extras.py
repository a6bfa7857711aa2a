"""Packages that only some installations have: those of an extra (pyproject.toml, optional-dependencies)."""

import sys
from importlib.util import find_spec
from typing import Final

from ingest.errors import IngestError

EMULATOR = ("aiohttp", "cryptography")
"""The extra `emulator`; the import names of its packages equal their install names."""
UAMQP = "uamqp"
"""The package, and the extra that installs it."""
UAMQP_ENDS: Final = (3, 14)
"""The first Python without uamqp, which is archived: no wheel, and its source does not compile."""


class NotInstalled(IngestError):
    """The command needs an extra that is not installed. `str()` is one sentence with the fix."""


def is_installed(package: str) -> bool:
    """Whether the package could be imported. Does not import it."""
    return find_spec(package) is not None


def installation_of(extra: str) -> str:
    """Returns the command that installs an extra into the environment of this process."""
    return f"{sys.executable} -m pip install 'iothub-kafka-ingest[{extra}]'"


def require_emulator(command: str) -> None:
    """Raises NotInstalled for this command unless the emulator's packages are installed. Imports none of them."""
    missing = [name for name in EMULATOR if not is_installed(name)]
    if missing:
        raise NotInstalled(
            f"`{command}` needs {' and '.join(missing)}, which this installation was made without; install the "
            f"emulator's extra: {installation_of('emulator')}"
        )


def without_uamqp(python: tuple[int, int] = sys.version_info[:2]) -> str | None:
    """Returns why uamqp cannot be used and how to get it, or None if it is installed."""
    if is_installed(UAMQP):
        return None
    if python >= UAMQP_ENDS:
        last = f"{UAMQP_ENDS[0]}.{UAMQP_ENDS[1] - 1}"
        return f"needs uamqp, which does not exist for Python {python[0]}.{python[1]}, only up to {last}"
    return f"needs uamqp, which is not installed: {installation_of(UAMQP)}"
