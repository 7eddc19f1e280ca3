"""A model of the time of a pass and a fit on a cluster, from constants measured on one machine.

`python -m bench.model` prints the tables of `fastgd/distributed/README.md`.

A pass sends W tasks through one scheduler. Each worker reads its share of the rows, and its nodes are sent to
the client. With more than 64 workers, workers join the nodes first, 32 at a time.
"""

from __future__ import annotations

import math

from fastgd.distributed.executor import FAN_IN, MOST_ANSWERS
from fastgd.engine.blocks import block_rows
from fastgd.solver import planner
from fastgd.solver.statistics import rows_together

LATENCY = 8e-3
"""Seconds from submitting an empty task to its answer (distributed 2026.8, loopback)."""
TASK = 1.2e-3
"""Seconds that the client and the scheduler spend on each task."""
HAND_ON = 6e-3
"""Seconds to send the state of a scan from one worker to the next."""
BANDWIDTH = 4e8
"""Bytes per second of gathered results, including serialisation."""
ADDED = 2e10
"""Bytes of nodes per second that one core adds."""
CORES = 1
"""Threads of a worker."""


def node_bytes(d: int, method: str) -> int:
    """Bytes of a node. Statistics: XᵀX, Xᵀr and r², padded. A streamed epoch: the gradient and two sums."""
    if method == "stream":
        return 8 * (d + 2)
    return 24 if d == 1 else 8 * (12 * -(-(d + 1) // 12)) ** 2


def nodes_of(rows: float, d: int) -> float:
    """The largest number of nodes of a contiguous share."""
    return max(1.0, 2.0 * math.log2(max(2.0, rows / max(block_rows(d), rows_together(d)))))


def answer_seconds(n: float, d: int, workers: int, method: str) -> float:
    """Seconds from the end of the last worker to the sum in the client."""
    bytes_each = nodes_of(n / workers, d) * node_bytes(d, method)
    seconds, answers = 0.0, workers
    while answers > MOST_ANSWERS:
        answers = -(-answers // FAN_IN)
        seconds += LATENCY + answers * TASK + FAN_IN * bytes_each * (1 / BANDWIDTH + 1 / ADDED)
        bytes_each = nodes_of(n / answers, d) * node_bytes(d, method)
    return seconds + answers * bytes_each * (1 / BANDWIDTH + 1 / ADDED)


def row_seconds(d: int, method: str) -> float:
    """Seconds for one row on one core, in memory."""
    ns = planner.row_ns(10**9, d, 8 * (d + 1))
    return 1e-9 * (max(ns, planner.statistics_ns(d)) if method == "summary" else ns)


def read_seconds(n: float, d: int, workers: int, method: str = "summary") -> float:
    """Seconds for the pass for statistics, or for one pass of a streamed epoch."""
    own = n / workers / CORES * row_seconds(d, method)
    return LATENCY + workers * TASK + own + answer_seconds(n, d, workers, method)


def run_seconds(n: float, d: int, workers: int, n_epochs: int, method: str) -> float:
    """Seconds of full-batch descent: one pass and epochs on d² numbers, or n_epochs + 1 passes."""
    if method == "summary":
        return read_seconds(n, d, workers) + n_epochs * 1e-9 * planner.epoch_ns(d)
    return (n_epochs + 1) * read_seconds(n, d, workers, "stream")


def scan_seconds(n: float, d: int, workers: int) -> float:
    """Seconds of an epoch of SGD in order without maps. One worker runs at a time."""
    return 1e-9 * planner.scan_ns(int(n), d, 8 * (d + 1)) + workers * (HAND_ON + TASK)


def break_even(n: float, workers: int, n_epochs: int) -> int:
    """The smallest d for which streaming is faster than statistics."""
    low, high = 1, 1 << 20
    while low < high:
        d = (low + high) // 2
        streamed = run_seconds(n, d, workers, n_epochs, "stream")
        if run_seconds(n, d, workers, n_epochs, "summary") > streamed:
            high = d
        else:
            low = d + 1
    return low


def shown(seconds: float) -> str:
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{1e3 * seconds:.3g} ms"


def table(head: list[str], lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["=" * width for width in widths]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (rule, head, rule, *lines, rule)
    )


WORKERS = (1, 10, 100, 1000, 10_000)


def main() -> None:
    reads = [
        [f"{n:.0e}", str(d)] + [shown(read_seconds(n, d, workers)) for workers in WORKERS]
        for n, d in ((5e7, 1), (1e9, 1), (1e9, 100), (1e11, 10), (1e13, 1), (1e13, 100))
    ]
    print(table(["rows", "d", *(f"{workers} w" for workers in WORKERS)], reads))
    runs = [
        [f"{n:.0e}", str(d), str(workers)]
        + [shown(run_seconds(n, d, workers, 100, method)) for method in ("summary", "stream")]
        + [shown(100 * scan_seconds(n, d, workers))]
        for n, d, workers in ((1e9, 10, 10), (1e9, 1000, 10), (1e11, 100, 1000), (1e13, 100, 10_000))
    ]
    print(table(["rows", "d", "workers", "statistics", "streamed", "SGD, streamed"], runs))
    bounds = [
        [f"{n:.0e}", str(workers)] + [str(break_even(n, workers, epochs)) for epochs in (1, 10, 100, 1000)]
        for n, workers in ((1e9, 10), (1e11, 100), (1e13, 10_000))
    ]
    print(table(["rows", "workers", "1 epoch", "10", "100", "1000"], bounds))


if __name__ == "__main__":
    main()
