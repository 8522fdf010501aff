"""The pictures of the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures.plot import Axis, Points, line_chart, round_axis


def draw_latency(path: Path, curves: Mapping[str, Mapping[float, float]]) -> None:
    """Draw latency in milliseconds by the share of reviews within it."""
    # The axis is logarithmic in the share of slower reviews, from all to one in a thousand.
    marks = {1.0: "0 %", 2.0: "50 %", 10.0: "90 %", 100.0: "99 %", 1000.0: "99.9 %"}
    x = Axis(label="share of reviews answered within", marks=marks, logarithmic=True)
    series = {
        name: [(100 / (100 - share), milliseconds) for share, milliseconds in sorted(curve.items())]
        for name, curve in curves.items()
    }
    y = round_axis("milliseconds", _highest(series))
    path.write_text(line_chart("Latency distribution, distinct tokens", x, y, series))


def draw_throughput(path: Path, curves: Mapping[str, Points]) -> None:
    """Draw reviews a second by the number of connections."""
    counts = sorted({count for points in curves.values() for count, _ in points})
    x = Axis(label="connections", marks={count: f"{count:g}" for count in counts}, logarithmic=True)
    marks = {100.0: "100", 1_000.0: "1 000", 10_000.0: "10 000", 100_000.0: "100 000"}
    y = Axis(label="reviews a second", marks=marks, logarithmic=True)
    path.write_text(line_chart("Throughput against connections", x, y, curves))


def draw_memory(path: Path, curve: Sequence[tuple[int, float]]) -> None:
    """Draw resident memory by the number of reviews."""
    series = {"authd": [(float(reviews), resident) for reviews, resident in curve]}
    x = round_axis("reviews", curve[-1][0])
    path.write_text(line_chart("Resident memory", x, round_axis("MB", _highest(series)), series))


def _highest(series: Mapping[str, Points]) -> float:
    return max(value for points in series.values() for _, value in points)
