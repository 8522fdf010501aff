"""Tables with a header that fit the terminal's width."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from authd.cli.shared.output import print_table, print_text, visible

_GAP = "  "
#: Columns are not cut below this width.
_MIN_WIDTH = 12


def print_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a header. On a terminal the widest columns are cut with `…` until each row fits a line.

    If the terminal is too narrow for that, each cell is printed on its own line.
    """
    table = [list(header), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if sys.stdout.isatty() and not _shrink(widths, shutil.get_terminal_size().columns):
        _print_stacked(table)
        return
    for row in table:
        cells = [_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)]
        print_text(_GAP.join(cells).rstrip())


def _print_stacked(table: Sequence[Sequence[str]]) -> None:
    header, *rows = table
    for row in rows:
        print_table((name, cell) for name, cell in zip(header, row, strict=True) if cell)
        print_text("")


def _shrink(widths: list[int], columns: int) -> bool:
    """Shrink the widest columns until the row fits. Returns whether it does."""
    while sum(widths) + len(_GAP) * (len(widths) - 1) > columns:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _MIN_WIDTH:
            return False
        widths[widest] -= 1
    return True


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"
