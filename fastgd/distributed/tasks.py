"""Tasks that run on the workers of a cluster: a reduction or scan over the rows that a worker holds.

A reduction returns at most 2·log2(blocks) nodes for each stretch of rows. A scan returns its state.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.data.dataset import Dataset
from fastgd.distributed.held import Held
from fastgd.engine import reduce
from fastgd.engine.blocks import Kept, Piece, Reduction, Step, Summary, block_rows, pieces


@dataclass(slots=True)
class Nodes:
    """Nodes of consecutive rows from `start`, in the form of `Counter.nodes`."""

    start: int
    nodes: list[tuple[int, Summary]]

    @property
    def stop(self) -> int:
        return self.start + sum(size for size, _ in self.nodes)


Filled = tuple[int, int, list[NDArray[Any]]]
"""start, stop, and the arrays kept for these rows."""
Answer = tuple[list[Nodes], list[Filled]]


@dataclass(slots=True)
class Rooms:
    """The shapes of the arrays in `Reduction.kept`, without their numbers."""

    shapes: list[tuple[int, ...]]
    types: list[np.dtype[Any]]
    axes: list[int]
    block: int

    @classmethod
    def like(cls, kept: Kept) -> Rooms:
        arrays = kept.arrays
        return cls(
            [array.shape for array in arrays], [array.dtype for array in arrays], kept.axes, kept.block
        )

    def room(self, start: int, stop: int) -> Kept:
        blocks = -(-stop // self.block) - start // self.block
        arrays = [
            np.empty((*shape[:axis], blocks, *shape[axis + 1 :]), dtype)
            for shape, dtype, axis in zip(self.shapes, self.types, self.axes, strict=True)
        ]
        return Kept(arrays, self.axes, self.block)


@dataclass(slots=True)
class Reducing:
    """A reduction over some stretches of a view."""

    view: Dataset
    order: Reduction
    rooms: Rooms | None
    n_threads: int | None

    def __call__(self, held: Held, pieces: Sequence[Piece], n_threads: int) -> Answer:
        rows = self.view.over(held)
        n_threads = n_threads if self.n_threads is None else min(n_threads, self.n_threads)
        results: list[Nodes] = []
        filled: list[Filled] = []
        for start, stop in pieces:
            order = self.order
            if self.rooms is not None:
                order = replace(order, kept=self.rooms.room(start, stop))
                filled.append((start, stop, order.kept.arrays if order.kept is not None else []))
            counter = reduce.Counter(stop=start, add=order.add)
            reduce.push_nodes(rows, order, n_threads, counter, stop=stop, offset=start)
            results.append(Nodes(start, counter.nodes))
        return results, filled


@dataclass(slots=True)
class Scanning:
    """A scan over a stretch of a view, or over some of its blocks."""

    view: Dataset
    step: Step

    def __call__(
        self, held: Held, piece: Piece, blocks: NDArray[np.integer] | None, state: Sequence[NDArray[Any]]
    ) -> list[NDArray[Any]]:
        rows = self.view.over(held)
        n, block = rows.n, block_rows(rows.d)
        stretches: Iterable[Piece]
        if blocks is None:
            stretches = pieces(*piece, reduce.run_rows(rows, piece[1] - piece[0], 1, 1), n)
        else:
            stretches = [(start, min(start + block, n)) for start in (blocks * block).tolist()]
        moved = [np.array(array) for array in state]  # copies, since arrays that have travelled are read-only
        for start, X, y, weights in rows.begin(stretches).runs():
            self.step(start, X, y, weights, *moved)
        return moved


def run_reduction(held: Held, task: bytes, pieces: Sequence[Piece]) -> Answer:
    from distributed import get_worker

    with np.errstate(all="ignore"):  # as in the calling process
        return pickle.loads(task)(held, pieces, get_worker().state.nthreads)


def run_scan(
    held: Held,
    task: bytes,
    piece: Piece,
    blocks: NDArray[np.integer] | None,
    state: Sequence[NDArray[Any]],
) -> list[NDArray[Any]]:
    with np.errstate(all="ignore"):
        return pickle.loads(task)(held, piece, blocks, state)


def join(answers: Sequence[Answer], add: Callable[..., Any]) -> Answer:
    """Join answers. The nodes of neighbouring rows are added as in one counter."""
    joined: list[Nodes] = []
    counter = reduce.Counter()
    for nodes in sorted((nodes for answer in answers for nodes in answer[0]), key=lambda nodes: nodes.start):
        if not joined or counter.stop != nodes.start:
            counter = reduce.Counter(stop=nodes.start, add=add)
            joined.append(Nodes(nodes.start, counter.nodes))
        for size, node in nodes.nodes:
            counter.push(np.array(node), size)  # a copy, since nodes are added in place
    return joined, [filled for answer in answers for filled in answer[1]]
