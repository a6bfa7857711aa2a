"""What only some installations have: the packages of an extra (pyproject.toml, optional-dependencies)."""

import sys
from importlib.util import find_spec

from ingest.errors import IngestError

EMULATOR = ("aiohttp", "cryptography")
"""The extra `emulator`; its packages are imported under the names that they are installed by."""


class NotInstalled(IngestError):
    """The command needs an extra that this installation was made without. `str()` is one sentence with the fix."""


def require_emulator(command: str) -> None:
    """Raises NotInstalled, on behalf of this command, unless the packages of the emulator are there. Imports none."""
    missing = [name for name in EMULATOR if find_spec(name) is None]
    if missing:
        raise NotInstalled(
            f"`{command}` needs {' and '.join(missing)}, which this installation was made without; install the "
            f"emulator's extra: {sys.executable} -m pip install 'iothub-kafka-ingest[emulator]'"
        )
