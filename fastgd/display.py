"""Short text and HTML of results: a line in a terminal, a small table in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

MOST_IN_LINE, HEAD = 6, 3
"""Weights that a line shows in full; of more it shows so many of the first, and the last."""
MOST_ROWS = 20
"""Rows of an HTML table."""


def number(value: float) -> str:
    """A number in six digits."""
    return f"{value:.6g}"


def weights(w: Any) -> str:
    """A number, or a list that leaves out the middle where it is long."""
    if np.ndim(w) == 0:
        return number(float(w))
    shown = [number(value) for value in w.tolist()]
    if len(shown) <= MOST_IN_LINE:
        return f"[{', '.join(shown)}]"
    return f"[{', '.join(shown[:HEAD])}, …, {shown[-1]}] of {len(shown)}"


def count(n: int, noun: str) -> str:
    """`n` with its noun, in the plural where it is not one."""
    return f"{n} {noun}{'s' * (n != 1)}"


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; every text is escaped, and rows past the first twenty are counted."""
    lines = ["<table>", f"<caption>{escape(caption)}</caption>", _row("th", header)]
    lines += [_row("td", row) for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append(f'<tr><td colspan="{len(header)}">and {len(rows) - MOST_ROWS} more</td></tr>')
    return "\n".join([*lines, "</table>"])


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def value(given: Any, most: int | None = None) -> str:
    """The `repr` of a value, or its first so many characters, with NumPy's scalars as Python's."""
    with np.printoptions(legacy="1.25"):
        return repr(given)[:most]


def text(given: Any) -> str:
    """The `str` of a value, with NumPy's scalars within as Python's."""
    with np.printoptions(legacy="1.25"):
        return str(given)
