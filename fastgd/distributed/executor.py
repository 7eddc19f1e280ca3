"""`reduce` and `scan` on a Dask cluster. Rows stay on the workers; nodes or a state come back.

With a running `Client` each pass sends one task to each worker that holds partitions. Partitions that are not
in memory are computed once for the call and must fit into the workers' memory. Rows travel only if a border
between two workers divides their block, and only once. A reduction returns at most 2·log2(blocks) nodes for
each stretch of rows. Nodes are added in the grid's tree, so the bits equal those of the same rows in memory.

The README of this folder gives the cost of a pass for different numbers of workers.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import OrderError
from fastgd.data.dataset import Dataset, Elsewhere, Facts, View, look_at_rows
from fastgd.data.split import PartRows
from fastgd.data.streams import StreamRows
from fastgd.distributed import cluster
from fastgd.distributed.collections import Partitions, PartitionSource
from fastgd.distributed.held import Shape, ranges_of
from fastgd.distributed.layout import Placement, Seat, place
from fastgd.distributed.tasks import Reducing, Rooms, Scanning, join, run_reduction, run_scan
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Executor, Floats, Piece, Reader, Reduction, Step, Summary, block_rows
from fastgd.engine.scan import scan

MOST_ANSWERS, FAN_IN = 64, 32
"""If there are more than MOST_ANSWERS workers, workers join the nodes first, FAN_IN answers at a time."""
LARGE = 1 << 17
"""A larger task, in bytes, is sent once to each worker, not with each task."""


def dask_rows(X: Any, y: Any, sample_weight: Any) -> Dataset:
    """The rows of Dask collections: on the cluster of the current Client, or computed here in each pass."""
    partitions = Partitions(X, y, sample_weight)
    current = cluster.current()
    if current is None:
        return StreamRows(PartitionSource(partitions))
    return DaskRows(place(current, partitions), partitions.columns)


class DaskRows(Elsewhere, Shape):
    """Rows in the memory of the workers of a cluster."""

    is_random = False

    def __init__(self, placement: Placement, columns: tuple[str, ...]):
        shape = placement.shape
        super().__init__(shape.n, shape.d, shape.is_scalar, shape.has_weights, shape.row_bytes, shape.dtypes)
        self.executor: Executor = Workers(placement)
        self._placement, self.columns = placement, columns
        self._first = placement.first

    def reader(self) -> Reader:
        return Fetching(self._placement)

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        rows = min(rows, self.n)
        if len(self._first[1]) < rows:
            self._placement.first = self._first = self.reader().read(0, rows)
        X, y, weights = self._first
        return X[:rows], y[:rows], weights[:rows]

    @property
    def facts(self) -> Facts:
        """Facts about the targets. The first use may take a pass."""
        known = self._placement.known
        if "facts" not in known:
            facts = Facts()
            self.passes += 1
            log, self.log = (
                self.log,
                None,
            )  # no log has this pass, as an earlier fit may have taken it
            try:
                scan(self, functools.partial(look_at_rows, block_rows(self.d)), [facts.state])
            finally:
                self.log = log
            known["facts"] = facts
        return known["facts"]

    def mark(self) -> tuple[Any, ...]:
        """The mark of the same rows in arrays."""
        known = self._placement.known
        if "mark" not in known:
            few = np.array([0, self.n // 2, self.n - 1])
            known["mark"] = tuple(part.tobytes() for part in self.reader().take(few))
        return self.n, self.total_weight, *known["mark"]


class Fetching:
    """A reader that fetches rows from the workers, for small numbers of rows."""

    def __init__(self, placement: Placement):
        self._placement = placement

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        return self._together([(start, stop)])

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        if (np.diff(order) < 0).any():
            raise OrderError(
                "the rows of a Dask collection lie on several workers, but this fit needs another "
                'order: pass shuffle=False, or, for squared errors with batch_size=1, shuffle="blocks" with '
                'method="summary"'
            )
        numbers, places = np.unique(order, return_inverse=True)
        X, y, weights = self._together(ranges_of(numbers))
        return X[places], y[places], weights[places] if len(weights) else weights

    def _together(self, ranges: list[Piece]) -> tuple[Array, Array, Floats]:
        stretches = self._placement.rows(ranges)
        X, y, weights = (
            np.concatenate([getattr(stretch, name) for stretch in stretches])
            for name in ("X", "y", "weights")
        )
        X.flags.writeable = y.flags.writeable = False
        return X, y, weights


class Workers:
    """Runs folds and scans on the workers that hold the rows, with one task for each worker and pass."""

    def __init__(self, placement: Placement):
        self._placement, self._cluster = placement, placement.cluster

    def reduce(self, rows: Any, order: Reduction, n_threads: int | None) -> Summary:
        kept = order.kept
        rooms = None if kept is None else Rooms.like(kept)
        task = Reducing(self._view(rows), dataclasses.replace(order, kept=None), rooms, n_threads)
        sent = self._sent(task)
        submit = self._cluster.submit
        answers = [
            submit(run_reduction, seat.held, sent, seat.shares, home=seat.home) for seat in self._seats(rows)
        ]
        while len(answers) > MOST_ANSWERS:
            answers = [
                submit(join, answers[at : at + FAN_IN], order.add) for at in range(0, len(answers), FAN_IN)
            ]
        nodes, filled = join(self._cluster.gather(answers), order.add)
        for start, stop, arrays in filled:
            assert kept is not None
            for room, array in zip(kept.part(start, stop), arrays, strict=True):
                room[...] = array
        (whole,) = nodes  # consecutive runs from the first row to the last
        counter = reduce.Counter(add=order.add)
        counter.nodes = whole.nodes
        return counter.total()

    def scan(self, rows: Any, step: Step, state: Sequence[Any], blocks: NDArray[np.integer] | None) -> None:
        if blocks is not None and (np.diff(blocks) <= 0).any():
            raise OrderError(
                "the rows of a Dask collection lie on several workers, but this fit needs their blocks in "
                'another order: pass shuffle=False, or method="summary", whose maps work in any order'
            )
        sent, moved = self._sent(Scanning(self._view(rows), step)), [np.array(array) for array in state]
        in_order = sorted((*piece, seat) for seat in self._seats(rows) for piece in seat.shares)
        block, last = block_rows(rows.d), None
        for start, stop, seat in in_order:
            own = None
            if blocks is not None:
                first, end = np.searchsorted(blocks * block, (start, stop))
                if first == end:
                    continue
                own = blocks[first:end]
            last = self._cluster.submit(
                run_scan, seat.held, sent, (start, stop), own, moved if last is None else last,
                home=seat.home,
            )  # fmt: skip
        if last is not None:
            for array, result in zip(state, self._cluster.gather([last])[0], strict=True):
                array[...] = result

    def _view(self, rows: Any) -> Any:
        """The view over the shape alone, without rows."""
        return rows.over(self._placement.shape)

    def _seats(self, rows: Any) -> list[Seat]:
        view = rows
        while isinstance(view, View):
            if isinstance(view, PartRows):
                return self._placement.of_part(view.part)
            view = view.rows
        return list(self._placement.seats.values())

    def _sent(self, task: Any) -> Any:
        """The pickled task. Pickling once makes its arrays writable on the workers."""
        import cloudpickle

        sent = cloudpickle.dumps(task)
        if len(sent) > LARGE:
            client = self._cluster.client
            return self._cluster.patiently(client.scatter, sent, hash=False)
        return sent
