"""Imported last by the fork server, so that every child finds the heavy modules ready and shares their memory."""

import gc

from setproctitle import setproctitle

import ingest.process.child  # noqa: F401
from ingest.process import failing_fork

failing_fork.install()
setproctitle("ingest: fork server")

# Objects that the collector never walks keep their pages shared after a fork.
gc.collect()
gc.freeze()
