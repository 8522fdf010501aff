"""Record `make demo` in a terminal as pictures for the landing page and the tutorial.

    python tools/site/terminal.py docs

runs the demo once and writes two pictures of that run: demo.svg plays it in a window at its own speed, and
demo-whole.svg shows all of its lines. Neither loads external resources. If the reader prefers reduced motion,
demo.svg is not animated.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

_COLUMNS = 100
_ROWS = 27
_CHARACTER, _LINE, _EDGE, _BAR = 8.43, 19.0, 16.0, 34.0
#: Seconds for which the last lines stay before the session is repeated.
_HOLD = 8.0
#: The longest time between two lines in the picture. Longer pauses of the run, such as the daemon's start, are cut.
_LONGEST_PAUSE = 0.6

_STYLE = """\
.page{fill:#1e2430} .bar{fill:#2b3342} .text{fill:#d8dee9;font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,
"DejaVu Sans Mono","Liberation Mono",monospace;white-space:pre} .title{fill:#aab4c5;font:13px sans-serif}
.command{font-weight:bold;fill:#fff}"""


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line, and the seconds from the start of the session to its output."""

    text: str
    at: float


def main() -> int:
    """Record the demo, and write both pictures into the folder."""
    lines = [Line("$ make demo", 0.0), *record([sys.executable, "-m", "authd.cli.main", "demo"])]
    folder = Path(sys.argv[1])
    (folder / "demo.svg").write_text(playing(lines), "utf-8")
    (folder / "demo-whole.svg").write_text(whole(lines), "utf-8")
    return 0


def record(command: Sequence[str]) -> Iterator[Line]:
    """Run a command and yield its lines as they are printed. Raises `CalledProcessError` if it fails."""
    begun = time.monotonic()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        for line in process.stdout or ():
            yield Line(line.rstrip(), time.monotonic() - begun)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def whole(lines: Sequence[Line]) -> str:
    """Return a picture of all lines."""
    height = _BAR + len(lines) * _LINE + _EDGE
    return _picture(height, "", _texts(lines))


def playing(lines: Sequence[Line]) -> str:
    """Return a looped animation of a window with `_ROWS` lines, in which each line appears at its time."""
    times = list(_times(lines))
    duration = times[-1] + _HOLD
    cover, scroll = ["0%{transform:translateY(0)}"], ["0%{transform:translateY(0)}"]
    for number, at in enumerate(times, 1):
        share = f"{at / duration:.3%}"
        cover.append(f"{share}{{transform:translateY({number * _LINE:g}px)}}")
        scroll.append(f"{share}{{transform:translateY({-max(0, number - _ROWS) * _LINE:g}px)}}")
    style = (
        f"@keyframes cover{{{''.join(cover)}}}@keyframes scroll{{{''.join(scroll)}}}"
        f".cover,.scroll{{animation:cover {duration:.2f}s step-end infinite}}.scroll{{animation-name:scroll}}"
        "@media (prefers-reduced-motion:reduce){.cover,.scroll{animation:none}.cover{display:none}}"
    )
    height = _BAR + _ROWS * _LINE + _EDGE
    below = f'<rect class="page cover" y="{_BAR}" width="100%" height="{len(lines) * _LINE + height:g}"/>'
    clip = f'<clipPath id="w"><rect y="{_BAR}" width="100%" height="{_ROWS * _LINE:g}"/></clipPath>'
    return _picture(height, style, f'{clip}<g clip-path="url(#w)"><g class="scroll">{_texts(lines)}{below}</g></g>')


def _times(lines: Sequence[Line]) -> Iterator[float]:
    """Yield the time of each line in the picture."""
    at = before = 0.0
    for line in lines:
        at += min(line.at - before, _LONGEST_PAUSE)
        before = line.at
        yield at


def _texts(lines: Sequence[Line]) -> str:
    rows = []
    for number, line in enumerate(lines):
        kind = "text command" if number == 0 else "text"
        # The fixed length keeps the columns straight in every font.
        length = f'textLength="{len(line.text) * _CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"'
        place = f'x="{_EDGE:g}" y="{_BAR + (number + 0.75) * _LINE:.1f}"'
        if line.text:
            rows.append(f'<text class="{kind}" {place} {length}>{escape(line.text)}</text>')
    return "\n".join(rows)


def _picture(height: float, style: str, content: str) -> str:
    width = 2 * _EDGE + _COLUMNS * _CHARACTER
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">\n'
        f"<title>A recorded session of make demo</title>\n<style>{_STYLE}\n{style}</style>\n"
        f'<rect class="page" width="100%" height="100%" rx="8"/>\n{content}\n'
        f'<path class="bar" d="M0 {_BAR:g}V8a8 8 0 0 1 8-8H{width - 8:.0f}a8 8 0 0 1 8 8V{_BAR:g}z"/>\n'
        '<g><circle cx="20" cy="17" r="6" fill="#ff5f57"/><circle cx="40" cy="17" r="6" fill="#febc2e"/>'
        '<circle cx="60" cy="17" r="6" fill="#28c840"/></g>\n'
        f'<text class="title" x="50%" y="22" text-anchor="middle">make demo</text>\n</svg>\n'
    )


if __name__ == "__main__":
    sys.exit(main())
