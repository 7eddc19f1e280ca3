"""On paper: what a read and a run cost on a cluster, from constants that were measured on one machine.

`python -m bench.model` prints the tables of `fastgd/distributed/README.md`.

A read is W tasks through one scheduler, each worker's share of the rows, and its nodes on their way to the
client; above 64 workers these are joined by workers, 32 at a time.
"""

from __future__ import annotations

import math

from fastgd.distributed.executor import FAN_IN, MOST_ANSWERS
from fastgd.engine.blocks import block_rows
from fastgd.solver import planner
from fastgd.solver.statistics import rows_together

LATENCY = 8e-3
"""Seconds from the question to the answer of a task that does nothing (distributed 2026.8, loopback)."""
TASK = 1.2e-3
"""Seconds that the client and the scheduler spend on each."""
HAND_ON = 6e-3
"""Seconds that the state of a scan takes from one worker to the next."""
BANDWIDTH = 4e8
"""Bytes a second of what is gathered, serialised and sent."""
ADDED = 2e10
"""Bytes of nodes a second that one core adds."""
CORES = 1
"""Threads of a worker."""


def node_bytes(d: int, method: str) -> int:
    """Of statistics: of XᵀX, Xᵀr and r², padded; of a streamed epoch: of the gradient and two sums."""
    if method == "stream":
        return 8 * (d + 2)
    return 24 if d == 1 else 8 * (12 * -(-(d + 1) // 12)) ** 2


def nodes_of(rows: float, d: int) -> float:
    """At most so many of one contiguous share, of which the joints of two are not all there."""
    return max(1.0, 2.0 * math.log2(max(2.0, rows / max(block_rows(d), rows_together(d)))))


def answer_seconds(n: float, d: int, workers: int, method: str) -> float:
    """From the last worker's end to the sum in the client."""
    bytes_each = nodes_of(n / workers, d) * node_bytes(d, method)
    seconds, answers = 0.0, workers
    while answers > MOST_ANSWERS:
        answers = -(-answers // FAN_IN)
        seconds += LATENCY + answers * TASK + FAN_IN * bytes_each * (1 / BANDWIDTH + 1 / ADDED)
        bytes_each = nodes_of(n / answers, d) * node_bytes(d, method)
    return seconds + answers * bytes_each * (1 / BANDWIDTH + 1 / ADDED)


def row_seconds(d: int, method: str) -> float:
    """One row on one core, from memory."""
    ns = planner.row_ns(10**9, d, 8 * (d + 1))
    return 1e-9 * (max(ns, planner.statistics_ns(d)) if method == "summary" else ns)


def read_seconds(n: float, d: int, workers: int, method: str = "summary") -> float:
    """One read for statistics, or one of a streamed epoch."""
    own = n / workers / CORES * row_seconds(d, method)
    return LATENCY + workers * TASK + own + answer_seconds(n, d, workers, method)


def run_seconds(n: float, d: int, workers: int, n_epochs: int, method: str) -> float:
    """Full-batch descent: one read and the epochs on d² numbers; or a read an epoch, and one more."""
    if method == "summary":
        return read_seconds(n, d, workers) + n_epochs * 1e-9 * planner.epoch_ns(d)
    return (n_epochs + 1) * read_seconds(n, d, workers, "stream")


def scan_seconds(n: float, d: int, workers: int) -> float:
    """One epoch of SGD in order without maps: one worker at a time."""
    return 1e-9 * planner.scan_ns(int(n), d, 8 * (d + 1)) + workers * (HAND_ON + TASK)


def break_even(n: float, workers: int, n_epochs: int) -> int:
    """The first d from which on streaming takes less than statistics."""
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
