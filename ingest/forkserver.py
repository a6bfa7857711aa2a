"""The fork server that child processes come from: one that has loaded what they import, so that they start at once."""

import multiprocessing
import os
import tempfile
from multiprocessing.context import ForkServerContext

from ingest.config import Config

PRELOAD = "ingest.preload"
LONGEST_TEMPORARY_FOLDER = 70
SHORT_TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - a name to fall back to; multiprocessing makes a private folder in it


def context(config: Config, roles: tuple[str, ...]) -> ForkServerContext:
    """Where the children of these roles are made. The server itself starts with the first child."""
    _shorten_temporary_folder()
    made = multiprocessing.get_context("forkserver")
    # The last one freezes what all have loaded.
    made.set_forkserver_preload([*_preloads(config, roles), PRELOAD])
    return made


def _preloads(config: Config, roles: tuple[str, ...]) -> list[str]:
    """What the children of these roles import and `PRELOAD` may not."""
    modules = []
    if "source" in roles:
        modules.append("ingest.source.preload")
        if config.checkpoints.store == "blob":
            modules.append("ingest.source.checkpoints.blob")
    if "sink" in roles:
        modules.append("ingest.sink.preload")
    return modules


def _shorten_temporary_folder() -> None:
    """The fork server listens on a socket in the temporary folder, and the kernel allows 107 bytes for its whole path.

    multiprocessing adds about 30 to the folder's name.
    """
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TEMPORARY_FOLDER and os.access(
        SHORT_TEMPORARY_FOLDER, os.W_OK
    ):
        tempfile.tempdir = SHORT_TEMPORARY_FOLDER
