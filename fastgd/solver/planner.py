"""method="auto": a cost model that chooses between statistics or maps and streaming.

Constants are nanoseconds measured on a Zen 3 with `bench/bench_planner.py`. The method decides the bits of
the result. So it depends on the sizes of the data, the number of epochs and the options, but not on the
number of cores or the source of the rows.
"""

from __future__ import annotations

from typing import Literal

from fastgd.data.dataset import Dataset
from fastgd.engine import reduce
from fastgd.engine.blocks import block_rows
from fastgd.solver.maps import MAPS_BYTES, maps_bytes
from fastgd.solver.statistics import effort

Method = Literal["summary", "stream"]
Choice = Literal["auto", "summary", "stream"]
CHOICES: tuple[Choice, ...] = ("auto", "summary", "stream")

MOST_COLUMNS = 1024
"""Statistics of more columns take more than 8 MB, several times."""
IN_CACHE = 16_000_000
"""Data with fewer bytes is read faster the second time."""
THREADS = 1.8
"""Speed-up by two threads if there is enough work. The model assumes two threads on every machine."""
REDUCE_NS = 33_000.0
SCAN_NS = 24_000.0
"""Overhead of a reduction (REDUCE_NS) and of a scan (SCAN_NS)."""
ORDER_NS, BLOCK_NS = 45_000.0, 3_300.0
"""Overhead of a scan with shuffled blocks: for its order, and for each block."""


def threads(n: int, d: int, work: int = 1) -> float:
    return THREADS if n * (d + 1) * work >= 2 * reduce.LEAST_THREAD_NUMBERS else 1.0


def row_ns(n: int, d: int, row_bytes: int) -> float:
    """Time per row of a streamed reduction on one thread, for arithmetic or for reading its bytes."""
    is_near = n * row_bytes <= IN_CACHE
    if d <= (3 if row_bytes >= 8 * (d + 1) else 2):
        return max(0.16 * (d + 1), 0.0 if is_near else 0.044 * row_bytes)
    numbers = min(0.33 * (d + 1), 2.0 + 0.155 * (d + 1))
    return max(numbers, (0.037 if is_near else 0.049) * row_bytes)


def pass_ns(n: int, d: int, row_bytes: int) -> float:
    """Time of a streamed reduction."""
    return REDUCE_NS + n * row_ns(n, d, row_bytes) / threads(n, d)


def statistics_ns(d: int) -> float:
    """Time per row of the statistics."""
    return 0.45 if d == 1 else 1.1 * d + 0.028 * d * d - 0.8


def scan_ns(n: int, d: int, row_bytes: int) -> float:
    """Time of an epoch of SGD steps in order, on one thread."""
    by_width = (0.48 * d - 5.0) * (0.55 if n * row_bytes <= IN_CACHE else 1.0)
    return SCAN_NS + n * (0.75 if d == 1 else max(3.2 + 0.2 * d, by_width))


def maps_ns(d: int, n_rates: int) -> float:
    """Time per row of the statistics and the maps of n_rates rates, from one pass. Rates share its loads."""
    if d == 1:
        return 1.05 + 0.15 * n_rates
    composition = 0.7 * d**3 / block_rows(d)
    return 0.45 * d + 0.035 * d * d + n_rates * (0.5 * d + 0.11 * d * d + composition)


def epoch_ns(d: int) -> float:
    """Time of an epoch on the statistics, or of one product with a map."""
    return 30.0 + 0.3 * d * d


def start_ns(d: int) -> float:
    """Time of a summary without its pass, mostly to compute its reference from the first rows."""
    if d == 1:
        return 130_000.0
    block = block_rows(d)
    return 320_000.0 + -(-4 * d // block) * block * 3.0 * statistics_ns(d) + 0.5 * d**3


def descent(n: int, d: int, n_epochs: int, row_bytes: int) -> Method:
    """The method of full-batch descent: streaming takes n_epochs + 1 passes, statistics take one."""
    if d > MOST_COLUMNS:
        return "stream"
    once = start_ns(d) + n * statistics_ns(d) / threads(n, d, effort(d)) + n_epochs * epoch_ns(d)
    return "summary" if once < (n_epochs + 1) * pass_ns(n, d, row_bytes) else "stream"


def descent_of(rows: Dataset, d: int, n_epochs: int) -> Method:
    """`descent` for these rows in d coordinates. Rows are not counted if their number does not change the
    method."""
    n = rows.known_n
    if n is None and not rows.has_at_most(block_rows(rows.d)):
        least = block_rows(rows.d) + 1
        bends = _bends(d, rows.row_bytes)
        methods = {descent(n, d, n_epochs, rows.row_bytes) for n in (least, *(n for n in bends if n > least))}
        if len(methods) == 1:
            return methods.pop()
    return descent(rows.n, d, n_epochs, rows.row_bytes)


def _bends(d: int, row_bytes: int) -> list[int]:
    """Numbers of rows between which all times are linear in n. A method that is faster at both ends is faster
    between them. The last number stands for infinity."""
    many = 2 * reduce.LEAST_THREAD_NUMBERS
    jumps = [-(-many // (d + 1)), -(-many // ((d + 1) * effort(d))), IN_CACHE // row_bytes + 1]
    return [n for jump in jumps for n in (jump - 1, jump)] + [reduce.MANY_ROWS]


def sgd(
    n: int, d: int, n_epochs: int, n_rates: int, track_cost: bool, row_bytes: int, keeps_order: bool
) -> Method:
    """The method of SGD: streaming takes one scan for each epoch, the other method makes maps of blocks."""
    if maps_bytes(n, d, n_rates) > MAPS_BYTES:
        return "stream"
    blocks = -(-n // block_rows(d))
    row = maps_ns(d, n_rates)
    once = start_ns(d) + 125_000.0 + n * row / threads(n, d, effort(d, n_rates))
    epoch = scan_ns(n, d, row_bytes)
    if keeps_order:
        once += n_rates * blocks * 0.14 * d**3 + n_epochs * epoch_ns(d)
    else:
        once += n_epochs * (5_000.0 + blocks * epoch_ns(d))
        epoch += ORDER_NS + blocks * BLOCK_NS
    if track_cost:
        epoch += pass_ns(n, d, row_bytes)
    return "summary" if once < n_epochs * epoch else "stream"
