"""method="auto": the measured cost model, all of it.

Nanoseconds a row on one thread of a Zen 3 or 4 (both ways scale alike with threads, but for a scan, which
has one). The choice depends on the sizes of the data, the epochs and the options, never on cores or on
where the rows are: it decides the bits of the result.
"""

from __future__ import annotations

from typing import Literal

from fastgd.summaries import MAPS_BYTES, maps_bytes

Method = Literal["summary", "stream"]
Choice = Literal["auto", "summary", "stream"]
CHOICES: tuple[Choice, ...] = ("auto", "summary", "stream")

MOST_COLUMNS = 1024
"""Statistics of more columns take more than 8 MB, several times."""
IN_CACHE = 16_000_000
"""Numbers of fewer bytes are read about twice as fast the second time."""
THREADS = 2
"""A summary is made by all threads, a scan by one: counted as so many, whatever there are."""


def stream_ns(d: int, n_bytes: int) -> float:
    """One row of a streamed fold."""
    return (0.3 + 0.4 * (d + 1)) * (0.5 if n_bytes <= IN_CACHE else 1.0)


def statistics_ns(d: int) -> float:
    """One row of the statistics."""
    return 0.9 if d == 1 else 1.0 + 0.9 * d + 0.028 * d * d


def scan_ns(d: int) -> float:
    """One row of SGD steps in order."""
    return 0.8 if d == 1 else 2.0 + 0.45 * d


def maps_ns(d: int) -> float:
    """One row of the maps of one rate."""
    return 1.0 if d == 1 else 2.0 * d + 0.2 * d * d


def epoch_ns(d: int) -> float:
    """An epoch on the statistics, or one product with a map."""
    return 20.0 + 0.3 * d * d


def descent(n: int, d: int, n_epochs: int, row_bytes: int) -> Method:
    """The method of full-batch descent: reads of n_epochs + 1 epochs, or statistics."""
    if d > MOST_COLUMNS:
        return "stream"
    once = n * statistics_ns(d) + n_epochs * epoch_ns(d) + 0.5 * d**3
    return "summary" if once < (n_epochs + 1) * n * stream_ns(d, n * row_bytes) else "stream"


def sgd(
    n: int, d: int, n_epochs: int, n_rates: int, track_cost: bool, row_bytes: int, keeps_order: bool
) -> Method:
    """The method of SGD: a scan an epoch, or maps of the blocks."""
    if maps_bytes(n, d, n_rates) > MAPS_BYTES:
        return "stream"
    blocks = maps_bytes(n, d, 1) / (8 * (d * d + d + 1))
    once = n * (n_rates * maps_ns(d) + statistics_ns(d)) / THREADS
    if keeps_order:
        once += n_rates * blocks * d**3 * 0.3 + n_epochs * epoch_ns(d)
    else:
        once += n_epochs * blocks * epoch_ns(d)
    cost_ns = stream_ns(d, n * row_bytes) / THREADS if track_cost else 0.0
    return "summary" if once < n_epochs * n * (scan_ns(d) + cost_ns) else "stream"
