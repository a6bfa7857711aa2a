"""Whether processes grow: memory, descriptors and threads of each over time, as a table and as what is too much."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import psutil

KIB = 1 << 10
_ONE_SHOT = ("discover", "trial")
"""Roles that answer one question and end; nobody takes their place."""
_HEADER = f"{'process':28} {'minutes':>9} {'USS MiB':>9} {'RSS MiB':>9} {'descriptors':>12} {'threads':>8}"


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    minute: float
    """Since the start of the load."""
    uss_kib: float
    """Memory that would be free without the process."""
    rss_kib: float
    descriptors: int
    threads: int


Process = tuple[str, int]
"""Its name and its pid."""


class Growth:
    """The samples of every process that was seen, and what they tell."""

    def __init__(self, warm_up_minutes: float = 5.0, window_minutes: float = 5.0) -> None:
        """Samples of the first `warm_up_minutes` are shown but not judged; a row of the table is one window."""
        self._warm_up = warm_up_minutes
        self._window = window_minutes
        self._samples: dict[Process, list[Sample]] = defaultdict(list)

    def add(self, process: Process, sample: Sample) -> None:
        self._samples[process].append(sample)

    def look(self, pids: Iterable[int], minute: float, names: Mapping[int, str]) -> None:
        """Adds a sample of each process; one that ends meanwhile has none. `names` of those whose title tells none."""
        for pid in pids:
            try:
                found = psutil.Process(pid)
                memory = found.memory_full_info()
                sample = Sample(minute, memory.uss / KIB, memory.rss / KIB, found.num_fds(), found.num_threads())
                self.add((_name(found, names.get(pid)), pid), sample)
            except psutil.NoSuchProcess:
                continue

    def slopes(self) -> dict[str, float]:
        """Process → its growth after the warm-up in KiB of USS per minute, by least squares."""
        found = {}
        for process, samples in self._judged():
            minutes, sizes = [each.minute for each in samples], [each.uss_kib for each in samples]
            found[_label(process)] = round(statistics.linear_regression(minutes, sizes).slope, 1)
        return found

    def problems(self, kib_per_minute: float) -> list[str]:
        """Each process whose memory grows faster, whose descriptors or threads grew, or that was not there all along."""
        problems = [
            f"{name}: memory grows by {slope:g} KiB/min; at most {kib_per_minute:g} is allowed"
            for name, slope in self.slopes().items()
            if slope > kib_per_minute
        ]
        for process, samples in self._judged():
            for what in ("descriptors", "threads"):
                counts = [getattr(each, what) for each in samples]
                third = max(1, len(counts) // 3)
                # They go up and down with the links; what only goes up leaves its first range for good.
                before, after = max(counts[:third]), min(counts[-third:])
                if after > before:
                    problems.append(f"{_label(process)}: {what} grew from at most {before} to at least {after}")
        return problems + self._comings_and_goings()

    def table(self) -> str:
        """A row per process and window: the medians."""
        rows = [_HEADER]
        for process, samples in self._samples.items():
            windows: dict[int, list[Sample]] = defaultdict(list)
            for each in samples:
                windows[int(each.minute // self._window)].append(each)
            for window, members in windows.items():
                span = f"{window * self._window:g}-{(window + 1) * self._window:g}"
                uss, rss = (
                    statistics.median(sizes) / KIB
                    for sizes in ([each.uss_kib for each in members], [each.rss_kib for each in members])
                )
                descriptors = statistics.median(each.descriptors for each in members)
                threads = statistics.median(each.threads for each in members)
                rows.append(
                    f"{_label(process):28} {span:>9} {uss:9.1f} {rss:9.1f} {descriptors:12g} {threads:8g}",
                )
        return "\n".join(rows)

    def _judged(self) -> Iterator[tuple[Process, list[Sample]]]:
        """Every process with its samples after the warm-up, if these are enough to tell a direction."""
        for process, samples in self._samples.items():
            judged = [each for each in samples if each.minute >= self._warm_up]
            if len(judged) > 2:
                yield process, judged

    def _comings_and_goings(self) -> list[str]:
        """A process that was replaced may hide its growth."""
        spans = {
            process: (found[0].minute, found[-1].minute)
            for process, found in self._samples.items()
            if process[0] not in _ONE_SHOT
        }
        last = max((end for _, end in spans.values()), default=0.0)
        problems = []
        for process, (begin, end) in spans.items():
            if begin > self._warm_up:
                problems.append(f"{_label(process)} came at minute {begin:.1f}")
            if end < last and end >= self._warm_up:
                problems.append(f"{_label(process)} was gone after minute {end:.1f}")
        return problems


def _name(process: psutil.Process, known: str | None) -> str:
    """The title that the process gave itself, or `known`, or what it is to multiprocessing."""
    words = " ".join(process.cmdline()).split()
    if words[:1] == ["ingest:"]:
        return " ".join(words[1:4])
    # The fork server's children have its command line.
    parts = (part for part in ("resource_tracker", "forkserver") if f"multiprocessing.{part}" in words)
    return known or next(parts, process.name())


def _label(process: Process) -> str:
    name, pid = process
    return f"{name} ({pid})"
