"""Results as a line in a terminal, a small table in a notebook, or a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MOST_IN_LINE, HEAD = 6, 3
"""A line shows all weights up to the first number. Of more weights it shows the first HEAD and the last."""
MOST_ROWS = 20
"""Rows of an HTML table."""


def number(value: float) -> str:
    """Format a number with six digits."""
    return f"{value:.6g}"


def weights(w: Any) -> str:
    """Format w: a number, or a list without its middle if it is long."""
    if np.ndim(w) == 0:
        return number(float(w))
    shown = [number(value) for value in w.tolist()]
    if len(shown) <= MOST_IN_LINE:
        return f"[{', '.join(shown)}]"
    return f"[{', '.join(shown[:HEAD])}, …, {shown[-1]}] of {len(shown)}"


def count(n: int, noun: str) -> str:
    """`n` and the noun, with a plural s unless n is 1."""
    return f"{n} {noun}{'s' * (n != 1)}"


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table. Text is escaped. Of rows after the first MOST_ROWS only the number is shown."""
    lines = ["<table>", f"<caption>{_escaped(caption)}</caption>", _row("th", header)]
    lines += [_row("td", row) for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append(f'<tr><td colspan="{len(header)}">and {len(rows) - MOST_ROWS} more</td></tr>')
    return "\n".join([*lines, "</table>"])


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_escaped(cell)}</{tag}>' for cell in cells)}</tr>"


def _escaped(text: str) -> str:
    from html import escape  # notebooks alone need it

    return escape(text)


def value(given: Any, most: int | None = None) -> str:
    """The first `most` characters of repr(given). NumPy scalars look like Python numbers."""
    with np.printoptions(legacy="1.25"):
        return repr(given)[:most]


def text(given: Any) -> str:
    """str(given). NumPy scalars inside look like Python numbers."""
    with np.printoptions(legacy="1.25"):
        return str(given)


def pandas_for(what: str) -> Any:
    """The module pandas, which `what` needs."""
    try:
        import pandas
    except ImportError as error:
        raise ModuleNotFoundError(f"{what} needs pandas: pip install pandas") from error
    return pandas
