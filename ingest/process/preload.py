"""Imported last by the fork server, so that every child has the heavy modules loaded and shares their memory."""

import gc

from setproctitle import setproctitle

import ingest.process.child  # noqa: F401
from ingest.process import failing_fork

failing_fork.install()
setproctitle("ingest: fork server")

# Objects that the collector never visits keep their pages shared after a fork.
gc.collect()
gc.freeze()
