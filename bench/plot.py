"""Draws CPU per event by transport and size of frames.

`python -m bench.plot FIGURES.json PICTURE.png`: from what `--benchmark-json` wrote, a picture; says what it wrote, or that
there is nothing to draw.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TESTS = ("test_source_sdk_sample", "test_source_sdk", "test_source_fast")
COLOURS = ("#9a9a9a", "#e0a030", "#e8c888", "#1f6fb4", "#8fbde0")
TARGET_US = 10.0

Rows = Sequence[Mapping[str, Any]]


def rows(figures: Mapping[str, Any]) -> Rows:
    """The figures of the source's benchmarks that finished."""
    return [
        each["extra_info"]
        for each in figures["benchmarks"]
        if each["name"].partition("[")[0] in TESTS and "cpu_us_per_event" in each["extra_info"]
    ]


def draw(found: Rows, picture: Path) -> None:
    """One panel with TLS and one without; a group of bars for each size, a bar for each transport and format."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    wires = sorted({row["tls"] for row in found}, reverse=True)
    sizes = sorted({row["frame_bytes"] for row in found})
    series = list(dict.fromkeys((row["transport"], row["format"]) for row in found))
    values = {
        (row["tls"], row["frame_bytes"], row["transport"], row["format"]): row["cpu_us_per_event"] for row in found
    }
    figure, panels = pyplot.subplots(1, len(wires), figsize=(5 * len(wires), 4), sharey=True, squeeze=False)
    width = 0.8 / len(series)
    for panel, tls in zip(panels[0], wires, strict=True):
        for number, (transport, record_format) in enumerate(series):
            heights = [values.get((tls, size, transport, record_format), 0.0) for size in sizes]
            places = [group + (number - (len(series) - 1) / 2) * width for group in range(len(sizes))]
            bars = panel.bar(
                places, heights, width, label=f"{transport}, {record_format}", color=COLOURS[number % len(COLOURS)]
            )
            panel.bar_label(bars, [f"{height:.0f}" if height else "" for height in heights], fontsize=7)
        panel.axhline(TARGET_US, color="#c03030", linewidth=1, linestyle="--")
        panel.set_title("TLS" if tls else "plain")
        panel.set_xticks(range(len(sizes)), [f"{size} bytes" for size in sizes])
    panels[0][0].set_ylabel("CPU µs per event, hub → Kafka acknowledged")
    panels[0][-1].legend(fontsize=8)
    figure.tight_layout()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=100)


def main(figures: Path, picture: Path) -> None:
    found = rows(json.loads(figures.read_text(encoding="utf-8")))
    if found:
        draw(found, picture)
        print(f"CPU per event by transport and size of frames: {picture}")
    else:
        print("No picture: none of the source's benchmarks has run.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
