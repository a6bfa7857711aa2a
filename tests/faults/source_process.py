"""`ingest source` as a process."""

from pathlib import Path

from tests.faults.ingest_process import IngestProcess, Sections, write_config

__all__ = ["Sections", "SourceProcess", "write_config"]


class SourceProcess(IngestProcess):
    """See `IngestProcess`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "source")
