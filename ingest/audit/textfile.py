"""The result of an audit as metrics, for a collector of files."""

from collections.abc import Iterator
from pathlib import Path

from ingest.audit.report import Report
from ingest.audit.verdict import Verdict
from ingest.errors import IngestError
from ingest.metrics import audits
from ingest.metrics.catalogue import Metric
from ingest.source.checkpoints import whole_files

_MODE = 0o644
"""Collectors are other users."""


def page(report: Report, name: str, now: float) -> str:
    """Returns the text, in Prometheus' format. `name` tells the audits of a machine apart; `now`: Unix time."""
    partitions = [line.verdict for line in report.lines]
    values: dict[Metric, list[tuple[Verdict | None, float]]] = {
        audits.PRESENT: [(each, each.present) for each in partitions],
        audits.MISSING: [(each, each.missing.numbers) for each in partitions],
        audits.REPEATED: [(each, each.repeated) for each in partitions],
        audits.OUT_OF_ORDER: [(each, each.out_of_order) for each in partitions],
        audits.DEAD_LETTERS: [(each, each.dead_letters) for each in partitions],
        audits.DIFFERING: [(each, each.differing.numbers) for each in partitions if each.compared is not None],
        audits.UNCERTAIN: [(each, not each.is_whole or each.is_renumbered) for each in partitions],
        audits.END: [(None, report.plan.to_ms / 1000)],
        audits.DONE: [(None, now)],
    }
    return "".join(line + "\n" for metric, samples in values.items() for line in _lines(metric, samples, name))


def write(file: Path, text: str) -> None:
    """Replaces the file at once: a collector never sees half of it. Raises IngestError."""
    try:
        whole_files.make_folder(file.parent)
        temporary = whole_files.write_temporary(file.parent, text.encode())
        try:
            temporary.chmod(_MODE)
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise IngestError(f"--metrics-file {file} cannot be written: {error.strerror}; name another place") from error


def _lines(metric: Metric, samples: list[tuple[Verdict | None, float]], name: str) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP {metric.full_name} {_escaped(metric.help)}"
    yield f"# TYPE {metric.full_name} {metric.type}"
    for verdict, value in samples:
        of = "" if verdict is None else f',partition="{_quoted(verdict.partition)}"'
        yield f'{metric.full_name}{{name="{_quoted(name)}"{of}}} {float(value):.15g}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
