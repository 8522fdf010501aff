"""The dashboard of deploy/monitoring as SVG, with the data of a Prometheus server, and a timeline of its alerts."""

from __future__ import annotations

import json
import math
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from benchmarks.figures.dark import DARK

_COLUMNS, _WIDTH, _HEIGHT, _GAP = 3, 340, 190, 12
_LEFT, _TOP, _BOTTOM = 46, 26, 44
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#999999")
_MOST_SERIES = 7

Series = Mapping[str, Sequence[tuple[float, float]]]


class Server(NamedTuple):
    """A Prometheus server and a range of time in Unix seconds."""

    url: str
    begin: float
    end: float

    def range_of(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of a range query, a point every two seconds."""
        query = {"query": expression, "start": self.begin, "end": self.end, "step": 2}
        with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{urllib.parse.urlencode(query)}") as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def draw_dashboard(dashboard: Mapping[str, Any], server: Server) -> str:
    """Return a picture of the dashboard's graphs and the alerts of the range."""
    panels = [panel for panel in dashboard["panels"] if panel["type"] == "timeseries"]
    rows = math.ceil(len(panels) / _COLUMNS)
    alerts = _alerts(server)
    width = _COLUMNS * (_WIDTH + _GAP) + _GAP
    below = rows * (_HEIGHT + _GAP) + _GAP
    height = below + 40 + 22 * len(alerts)
    size = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>authd in Grafana and Prometheus</title>',
        DARK,
        f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
    ]
    for place, panel in enumerate(panels):
        x, y = _GAP + place % _COLUMNS * (_WIDTH + _GAP), _GAP + place // _COLUMNS * (_HEIGHT + _GAP)
        parts += [f'<g transform="translate({x},{y})">', *_graph(panel, server), "</g>"]
    parts += [f'<g transform="translate({_GAP},{below})">', *_timeline(alerts, server, width - 2 * _GAP), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _series(panel: Mapping[str, Any], server: Server) -> Series:
    found: dict[str, list[tuple[float, float]]] = {}
    for target in panel["targets"]:
        expression = target["expr"].replace(',instance=~"$instance"', "").replace("$__rate_interval", "20s")
        for result in server.range_of(expression):
            labels = result["metric"]
            name = re.sub(
                r"\{\{(\w+)\}\}", lambda match, labels=labels: labels.get(match[1], ""), target["legendFormat"]
            )
            points = [(float(at), float(value)) for at, value in result["values"] if value != "NaN"]
            found[name] = points
    return found


def _legend(layout: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), layout)


def _graph(panel: Mapping[str, Any], server: Server) -> Iterator[str]:
    series = _series(panel, server)
    highest = max((value for points in series.values() for _, value in points), default=0.0) or 1.0
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="3" fill="#fff" stroke="#ddd"/>'
    yield _text(10, 17, panel["title"], 'font-weight="bold"')
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        yield f'<path d="M{_LEFT},{y:.1f}H{_WIDTH - 10}" stroke="#eee"/>'
        yield _text(_LEFT - 5, y + 4, f"{highest * share:.3g}", 'text-anchor="end" fill="#666"')
    for place, (name, points) in enumerate(list(series.items())[:_MOST_SERIES]):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(f"{_x(at, server):.1f},{_y(value / highest):.1f}" for at, value in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        column, row = place % 3, place // 3
        x, y = 10 + column * 108, _HEIGHT - 27 + 11 * row
        yield f'<rect x="{x}" y="{y - 5}" width="9" height="3" fill="{colour}"/>'
        yield _text(x + 13, y, name[:16], 'font-size="9"')


def _alerts(server: Server) -> dict[str, list[tuple[float, str]]]:
    """Return the times of each alert with its state, pending or firing."""
    found: dict[str, list[tuple[float, str]]] = {}
    for result in server.range_of("ALERTS"):
        labels = result["metric"]
        found.setdefault(labels["alertname"], []).extend(
            (float(at), labels["alertstate"]) for at, _ in result["values"]
        )
    return dict(sorted(found.items()))


def _timeline(alerts: Mapping[str, Sequence[tuple[float, str]]], server: Server, width: int) -> Iterator[str]:
    yield _text(0, 18, "Alerts: pending (orange), firing (red)", 'font-weight="bold"')
    scale = (width - 260) / (server.end - server.begin)
    for row, (name, moments) in enumerate(alerts.items()):
        y = 30 + 22 * row
        yield _text(0, y + 12, name)
        for at, state in moments:
            colour = "#d62728" if state == "firing" else "#ff9f40"
            x = 250 + (at - server.begin) * scale
            yield f'<rect x="{x:.1f}" y="{y}" width="{2 * scale + 0.5:.1f}" height="15" fill="{colour}"/>'


def _x(at: float, server: Server) -> float:
    return _LEFT + (at - server.begin) / (server.end - server.begin) * (_WIDTH - _LEFT - 10)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'
