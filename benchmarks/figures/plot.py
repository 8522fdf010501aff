"""Line charts as SVG, with linear or logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.figures.dark import DARK

_WIDTH, _HEIGHT = 820, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 230, 56, 50
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")  # distinct for colour-blind readers too

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis: its label, and its marks with their texts. It extends from the first mark to the last."""

    label: str
    marks: Mapping[float, str]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return a value's position between the ends, 0 to 1."""
        low, high, here = min(self.marks), max(self.marks), min(max(value, min(self.marks)), max(self.marks))
        if self.logarithmic:
            return math.log(here / low) / math.log(high / low)
        return (here - low) / (high - low)


def round_axis(label: str, highest: float) -> Axis:
    """Return a linear axis from 0 to a round number above the highest value, in 4 to 8 steps."""
    power = 10 ** math.floor(math.log10(highest))
    step = next(power * factor for factor in (0.1, 0.2, 0.25, 0.5, 1, 2) if highest / (power * factor) <= 8)
    steps = math.ceil(highest / step)
    return Axis(label=label, marks={step * n: f"{step * n:,.12g}".replace(",", " ") for n in range(steps + 1)})


def line_chart(title: str, x: Axis, y: Axis, series: Mapping[str, Points]) -> str:
    """Return a chart with one line for each named series."""
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(title)}</title>',
        DARK,
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text((_LEFT, 22), title, "start", 'font-size="15" font-weight="bold"'),
        _text(((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10), x.label, "middle"),
        _text((_LEFT, _TOP - 6), y.label, "start", 'fill="#555"'),
    ]
    for mark, text in x.marks.items():
        at = _point(x, y, mark, min(y.marks))
        parts.append(_text((at[0], at[1] + 18), text, "middle"))
    for mark, text in y.marks.items():
        at = _point(x, y, min(x.marks), mark)
        parts.append(f'<path d="M{at[0]:.1f},{at[1]:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(_text((at[0] - 8, at[1] + 4), text, "end"))
    for place, (name, points) in enumerate(series.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (_point(x, y, *point) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        below = _TOP + 12 + 20 * place
        parts.append(f'<rect x="{_WIDTH - _RIGHT + 12}" y="{below - 9}" width="14" height="4" fill="{colour}"/>')
        parts.append(_text((_WIDTH - _RIGHT + 32, below - 2), name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _point(x: Axis, y: Axis, at_x: float, at_y: float) -> tuple[float, float]:
    across = _LEFT + x.share(at_x) * (_WIDTH - _LEFT - _RIGHT)
    return across, _HEIGHT - _BOTTOM - y.share(at_y) * (_HEIGHT - _TOP - _BOTTOM)


def _text(at: tuple[float, float], text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
