"""Packages that only some installations have: those of an extra (pyproject.toml, optional-dependencies)."""

import sys
from importlib.util import find_spec

from ingest.errors import IngestError

EMULATOR = ("aiohttp", "cryptography")
"""The extra `emulator`; the import names of its packages equal their install names."""


class NotInstalled(IngestError):
    """The command needs an extra that is not installed. `str()` is one sentence with the fix."""


def require_emulator(command: str) -> None:
    """Raises NotInstalled for this command unless the emulator's packages are installed. Imports none of them."""
    missing = [name for name in EMULATOR if find_spec(name) is None]
    if missing:
        raise NotInstalled(
            f"`{command}` needs {' and '.join(missing)}, which this installation was made without; install the "
            f"emulator's extra: {sys.executable} -m pip install 'iothub-kafka-ingest[emulator]'"
        )
