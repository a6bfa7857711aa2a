"""Imported last by the fork server, so that every child finds the heavy modules ready and shares their memory."""

import gc

import ingest.child  # noqa: F401
from ingest import failing_fork

failing_fork.install()
# Objects that the collector never walks keep their pages shared after a fork.
gc.collect()
gc.freeze()
