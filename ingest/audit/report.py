"""What an audit has found, as text and as JSON. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ingest.audit.numbers import Listed, size
from ingest.audit.plan import Plan
from ingest.audit.verdict import Verdict
from ingest.hub.standing import Standing

_HEAD = ("PARTITION", "FIRST", "LAST", "PRESENT", "MISSING", "REPEATED", "OUT OF ORDER", "DEAD LETTERS", "HUB HOLDS")


class Line(NamedTuple):
    """One partition of the hub."""

    verdict: Verdict
    standing: Standing | None
    """The hub's own figures; None where they are not known."""
    missing_in_hub: int
    """Missing events that the hub still holds."""


class Report:
    """What `ingest audit` says at its end."""

    def __init__(
        self,
        plan: Plan,
        lines: Sequence[Line],
        notes: Sequence[str],
        *,
        records: int = 0,
        not_ours: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """`notes`: sentences. `records`: how many were read, also beside the stretch. `not_ours`: records of others in it."""
        self.plan = plan
        self.lines = lines
        self._notes = notes
        self._records = records
        self._not_ours = not_ours
        self._seconds = seconds
        verdicts = [line.verdict for line in lines]
        self.present = sum(each.present for each in verdicts)
        self.missing = sum(each.missing.numbers for each in verdicts)
        self.repeated = sum(each.repeated for each in verdicts)
        self.out_of_order = sum(each.out_of_order for each in verdicts)
        self.dead_letters = sum(each.dead_letters for each in verdicts)
        self.differing = sum(each.differing.numbers for each in verdicts)
        self.is_certain = bool(verdicts) and all(each.is_whole and not each.is_renumbered for each in verdicts)
        """Whether the ends of the stretch are known for all partitions."""

    @property
    def is_good(self) -> bool:
        """Whether nothing is missing, and nothing is other than in the hub."""
        return not self.missing and not self.differing

    def as_text(self) -> Iterator[str]:
        rows = [_HEAD, *(_row(line) for line in self.lines)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        for row, line in zip(rows, [None, *self.lines], strict=True):
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            if line is not None:
                yield from self._more(line)
        yield ""
        plan = self.plan
        yield (
            f"{self.missing} missing, {self.repeated} repeated, {self.out_of_order} out of order"
            f"{f', {self.differing} with another content' if plan.refetch else ''}: "
            f"{self.present} events of {plan.topic} from {_time(plan.from_ms)} to {_time(plan.to_ms)}."
        )
        if self.dead_letters:
            yield f"{self.dead_letters} of them are dead letters alone: `ingest redrive` sends them again."
        in_hub = sum(line.missing_in_hub for line in self.lines)
        if in_hub:
            yield f"The hub still holds {in_hub} of the missing ones: `ingest replay` brings them again."
        if self._not_ours:
            yield f"{self._not_ours} records were not written by ingest, and do not count."
        yield from self._notes

    def as_json(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "topic": plan.topic,
            "from": _time(plan.from_ms),
            "to": _time(plan.to_ms),
            "present": self.present,
            "missing": self.missing,
            "repeated": self.repeated,
            "out_of_order": self.out_of_order,
            "dead_letters": self.dead_letters,
            "differing": self.differing if plan.refetch else None,
            "not_ours": self._not_ours,
            "certain": self.is_certain,
            "partitions": [self._of_line(line) for line in self.lines],
            "notes": list(self._notes),
            "records_read": self._records,
            "seconds": round(self._seconds, 3),
        }

    def _of_line(self, line: Line) -> dict[str, Any]:
        verdict, standing = line.verdict, line.standing
        return {
            "partition": verdict.partition,
            "first": verdict.first,
            "last": verdict.last,
            "first_known_by": verdict.first_proof,
            "last_known_by": verdict.last_proof,
            "present": verdict.present,
            "missing": verdict.missing.numbers,
            "missing_ranges": verdict.missing.spans,
            "missing_ranges_omitted": verdict.missing.ranges - len(verdict.missing.spans),
            "missing_in_hub": line.missing_in_hub if standing is not None else None,
            "repeated": verdict.repeated,
            "repeated_ranges": verdict.again.spans,
            "repeated_ranges_omitted": verdict.again.ranges - len(verdict.again.spans),
            "out_of_order": verdict.out_of_order,
            "dead_letters": verdict.dead_letters,
            "compared": verdict.compared,
            "differing": verdict.differing.numbers if verdict.compared is not None else None,
            "differing_ranges": verdict.differing.spans,
            "renumbered": verdict.is_renumbered,
            "hub": None
            if standing is None
            else {"first": standing.oldest, "last": standing.newest, "empty": standing.empty},
        }

    def _more(self, line: Line) -> Iterator[str]:
        verdict = line.verdict
        for name, found in (
            ("missing", verdict.missing),
            ("repeated", verdict.again),
            ("other content", verdict.differing),
        ):
            if found.numbers:
                yield f"  {name}: {_ranges(found)}"
        for which, proof in (("first", verdict.first_proof), ("last", verdict.last_proof)):
            if proof == "between":
                yield f"  the {which} is not exact: what is missing there can be of a time just outside"
            elif proof == "unknown":
                beyond = "before the first" if which == "first" else "behind the last"
                yield f"  whether events are missing {beyond} is not known: only the hub could tell, and it did not"
        if verdict.compared is not None and verdict.compared < verdict.present:
            yield f"  {verdict.compared} contents were compared: the hub no longer holds the others, or a letter has no body"


def _row(line: Line) -> tuple[str, ...]:
    verdict, standing = line.verdict, line.standing
    held = "-" if standing is None else "nothing" if standing.empty else f"{standing.oldest}-{standing.newest}"
    numbers = (
        verdict.present,
        verdict.missing.numbers,
        verdict.repeated,
        verdict.out_of_order,
        verdict.dead_letters,
    )
    ends = ("-" if number is None else str(number) for number in (verdict.first, verdict.last))
    return (verdict.partition, *ends, *map(str, numbers), held)


def _ranges(found: Listed) -> str:
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found.spans)
    ranges = found.ranges - len(found.spans)
    return f"{shown} and {found.numbers - size(found.spans)} more in {ranges} ranges" if ranges else shown


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
